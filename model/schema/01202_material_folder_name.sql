-- +goose Up
CREATE UNIQUE INDEX material_folder_name ON material_folder (parent_id, name);
