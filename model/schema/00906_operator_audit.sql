-- +goose Up
-- What was done by whom: a chain, in which each row authenticates the one before.
CREATE TABLE operator_audit (
    seq         BIGINT NOT NULL PRIMARY KEY,
    operator_id BIGINT NOT NULL,
    action      VARCHAR(64) NOT NULL,
    target      VARCHAR(128) NOT NULL,
    detail      TEXT NOT NULL,
    happened_at BIGINT NOT NULL,
    hash        VARCHAR(43) NOT NULL
);
