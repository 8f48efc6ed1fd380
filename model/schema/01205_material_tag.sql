-- +goose Up
CREATE TABLE material_tag (
    material_id BIGINT NOT NULL,
    tag         VARCHAR(32) NOT NULL,
    PRIMARY KEY (material_id, tag)
);
