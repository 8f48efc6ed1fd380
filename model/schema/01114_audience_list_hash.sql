-- +goose Up
CREATE UNIQUE INDEX audience_list_hash ON audience_list (file_hash);
