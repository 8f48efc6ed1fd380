-- +goose Up
-- A correction by hand. checker_id is 0 while nobody decided, and stays 0 for one
-- within the maker's own limit.
CREATE TABLE points_adjustment (
    id         BIGINT NOT NULL PRIMARY KEY,
    member_id  BIGINT NOT NULL,
    amount     BIGINT NOT NULL,
    reason     VARCHAR(255) NOT NULL,
    state      VARCHAR(12) NOT NULL,
    maker_id   BIGINT NOT NULL,
    checker_id BIGINT NOT NULL,
    request_id VARCHAR(64) NOT NULL,
    body_hash  VARCHAR(64) NOT NULL,
    decided_at BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);
