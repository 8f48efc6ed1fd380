-- +goose Up
-- An uploaded list of numbers, by the SHA-256 of its bytes.
CREATE TABLE audience_list (
    id         BIGINT NOT NULL PRIMARY KEY,
    name       VARCHAR(255) NOT NULL,
    file_hash  VARCHAR(64) NOT NULL,
    size       BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);
