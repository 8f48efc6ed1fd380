-- +goose Up
CREATE UNIQUE INDEX audience_tag_name ON audience_tag (name);
