-- +goose Up
CREATE TABLE material_folder (
    id         BIGINT NOT NULL PRIMARY KEY,
    parent_id  BIGINT NOT NULL,
    name       VARCHAR(64) NOT NULL,
    created_by BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);
