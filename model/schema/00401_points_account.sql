-- +goose Up
-- One row a member. balance, pending and held equal the sums of the entries on
-- those accounts of his. due_at is never later than the first instant at which a
-- lot of his expires or becomes active. An UPDATE of this row is the lock on all
-- that is his.
CREATE TABLE points_account (
    member_id   BIGINT NOT NULL PRIMARY KEY,
    balance     BIGINT NOT NULL,
    pending     BIGINT NOT NULL,
    held        BIGINT NOT NULL,
    due_at      BIGINT NOT NULL,
    version     BIGINT NOT NULL,
    merged_into BIGINT NOT NULL,
    closed_at   BIGINT NOT NULL,
    created_at  BIGINT NOT NULL
);
