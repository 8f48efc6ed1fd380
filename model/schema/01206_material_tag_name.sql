-- +goose Up
CREATE INDEX material_tag_name ON material_tag (tag, material_id);
