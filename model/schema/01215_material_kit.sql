-- +goose Up
CREATE TABLE material_kit (
    id         BIGINT NOT NULL PRIMARY KEY,
    name       VARCHAR(64) NOT NULL,
    number     INT NOT NULL,
    version_id BIGINT NOT NULL,
    created_by BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
