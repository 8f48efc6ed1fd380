-- +goose Up
-- The tree in a sentence, with the names of lists and tags as they were.
ALTER TABLE audience_frozen ADD COLUMN sentence TEXT;
