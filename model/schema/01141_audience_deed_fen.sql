-- +goose Up
-- What it cost, added up; NULL: nothing, or nobody said.
ALTER TABLE audience_deed ADD COLUMN fen BIGINT;
