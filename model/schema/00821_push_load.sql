-- +goose Up
-- How much marketing a member got on a day of his zone, that which is under way
-- included. n is also the row's version: it is only ever changed from what was read.
CREATE TABLE push_load (
    member_id BIGINT NOT NULL,
    day       INT NOT NULL,
    n         INT NOT NULL,
    PRIMARY KEY (member_id, day)
);
