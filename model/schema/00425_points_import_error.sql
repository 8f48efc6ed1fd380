-- +goose Up
CREATE TABLE points_import_error (
    file_hash VARCHAR(64) NOT NULL,
    line      BIGINT NOT NULL,
    row_key   VARCHAR(64) NOT NULL,
    code      VARCHAR(64) NOT NULL,
    detail    VARCHAR(255) NOT NULL,
    PRIMARY KEY (file_hash, line)
);
