-- +goose Up
-- Since when it is paused; 0: it is not, or was before this column was there.
ALTER TABLE campaign ADD COLUMN paused_at BIGINT NOT NULL DEFAULT 0;
