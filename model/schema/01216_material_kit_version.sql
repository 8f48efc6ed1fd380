-- +goose Up
-- A version never changes but for used_at, which is set once.
CREATE TABLE material_kit_version (
    id         BIGINT NOT NULL PRIMARY KEY,
    kit_id     BIGINT NOT NULL,
    number     INT NOT NULL,
    name       VARCHAR(64) NOT NULL,
    body       TEXT NOT NULL,
    created_by BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    used_at    BIGINT NOT NULL
);
