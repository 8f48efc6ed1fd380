-- +goose Up
-- One row for each row key of the carrier, for ever: whichever file or call brings
-- it again, it accrues once.
CREATE TABLE points_accrual (
    row_key    VARCHAR(64) NOT NULL PRIMARY KEY,
    body_hash  VARCHAR(64) NOT NULL,
    member_id  BIGINT NOT NULL,
    points     BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);
