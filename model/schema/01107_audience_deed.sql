-- +goose Up
-- What a member did, added up by day.
CREATE TABLE audience_deed (
    member_id BIGINT NOT NULL,
    kind      INT NOT NULL,
    day       INT NOT NULL,
    n         BIGINT NOT NULL,
    PRIMARY KEY (member_id, kind, day)
);
