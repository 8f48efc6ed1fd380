-- +goose Up
-- The segment's name when it was frozen, which outlives the segment.
ALTER TABLE audience_frozen ADD COLUMN name VARCHAR(64);
