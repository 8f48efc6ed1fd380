-- +goose Up
-- That an operator stopped the import: paused or cancelled; NULL when nobody did.
ALTER TABLE audience_import ADD COLUMN halt VARCHAR(16);
