-- +goose Up
CREATE TABLE points_sign_in (
    member_id BIGINT NOT NULL,
    day       INT NOT NULL,
    streak    INT NOT NULL,
    points    BIGINT NOT NULL,
    PRIMARY KEY (member_id, day)
);
