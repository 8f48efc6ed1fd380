-- +goose Up
-- One row a carrier file, by the SHA-256 of its bytes.
CREATE TABLE points_import (
    file_hash   VARCHAR(64) NOT NULL PRIMARY KEY,
    name        VARCHAR(255) NOT NULL,
    operator_id BIGINT NOT NULL,
    state       VARCHAR(12) NOT NULL,
    total       BIGINT NOT NULL,
    accepted    BIGINT NOT NULL,
    repeated    BIGINT NOT NULL,
    refused     BIGINT NOT NULL,
    points      BIGINT NOT NULL,
    created_at  BIGINT NOT NULL,
    done_at     BIGINT NOT NULL
);
