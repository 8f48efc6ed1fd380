-- +goose Up
CREATE UNIQUE INDEX material_version_number ON material_version (material_id, number);
