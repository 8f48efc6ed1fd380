-- +goose Up
-- When it went live; 0: not yet, or before this column was there.
ALTER TABLE campaign_version ADD COLUMN live_at BIGINT NOT NULL DEFAULT 0;
