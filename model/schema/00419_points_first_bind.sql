-- +goose Up
-- A number (by its blind index) earns once for ever, a member too.
CREATE TABLE points_first_bind (
    phone_key  VARCHAR(64) NOT NULL PRIMARY KEY,
    member_id  BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);
