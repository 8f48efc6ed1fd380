-- +goose Up
-- The end of the chain: one row, which puts the writers in order.
CREATE TABLE operator_audit_head (
    id   BIGINT NOT NULL PRIMARY KEY,
    seq  BIGINT NOT NULL,
    hash VARCHAR(43) NOT NULL
);
