-- +goose Up
CREATE INDEX material_version_state ON material_version (state, id);
