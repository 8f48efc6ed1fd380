-- +goose Up
CREATE TABLE audience_segment (
    id          BIGINT NOT NULL PRIMARY KEY,
    name        VARCHAR(64) NOT NULL,
    tree        TEXT NOT NULL,
    version     BIGINT NOT NULL,
    operator_id BIGINT NOT NULL,
    created_at  BIGINT NOT NULL,
    updated_at  BIGINT NOT NULL
);
