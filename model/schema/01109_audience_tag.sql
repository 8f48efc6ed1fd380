-- +goose Up
CREATE TABLE audience_tag (
    id         BIGINT NOT NULL PRIMARY KEY,
    name       VARCHAR(64) NOT NULL,
    created_at BIGINT NOT NULL
);
