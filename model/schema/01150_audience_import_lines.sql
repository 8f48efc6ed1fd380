-- +goose Up
-- How many lines the file has, about; NULL when its kind does not tell.
ALTER TABLE audience_import ADD COLUMN file_lines BIGINT;
