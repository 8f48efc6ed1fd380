-- +goose Up
-- The history of following the official account.
CREATE TABLE member_follow (
    id          BIGINT NOT NULL PRIMARY KEY,
    member_id   BIGINT NOT NULL,
    action      VARCHAR(16) NOT NULL,
    source      VARCHAR(64) NOT NULL,
    happened_at BIGINT NOT NULL
);
