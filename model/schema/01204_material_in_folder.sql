-- +goose Up
CREATE INDEX material_in_folder ON material (folder_id, id);
