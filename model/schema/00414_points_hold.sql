-- +goose Up
-- A hold is an account of its own; amount = confirmed + voided + remaining.
CREATE TABLE points_hold (
    id         BIGINT NOT NULL PRIMARY KEY,
    member_id  BIGINT NOT NULL,
    posting_id BIGINT NOT NULL,
    amount     BIGINT NOT NULL,
    confirmed  BIGINT NOT NULL,
    remaining  BIGINT NOT NULL,
    state      VARCHAR(12) NOT NULL,
    until_at   BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);
