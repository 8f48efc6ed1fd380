-- +goose Up
-- One row a file and mapping. done_line is the last line that is saved.
CREATE TABLE audience_import (
    id          BIGINT NOT NULL PRIMARY KEY,
    file_hash   VARCHAR(64) NOT NULL,
    name        VARCHAR(255) NOT NULL,
    mapping     TEXT NOT NULL,
    as_of       BIGINT NOT NULL,
    operator_id BIGINT NOT NULL,
    done_line   BIGINT NOT NULL,
    total       BIGINT NOT NULL,
    added       BIGINT NOT NULL,
    changed     BIGINT NOT NULL,
    refused     BIGINT NOT NULL,
    leased_until BIGINT NOT NULL,
    lease_token  VARCHAR(32) NOT NULL,
    created_at  BIGINT NOT NULL,
    done_at     BIGINT NOT NULL
);
