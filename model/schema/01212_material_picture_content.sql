-- +goose Up
CREATE UNIQUE INDEX material_picture_content ON material_picture (sha256);
