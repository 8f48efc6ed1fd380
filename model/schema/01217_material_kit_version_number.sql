-- +goose Up
CREATE UNIQUE INDEX material_kit_version_number ON material_kit_version (kit_id, number);
