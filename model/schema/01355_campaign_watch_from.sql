-- +goose Up
-- Behind whom this round began, for the one before it came no further; 0: with the first.
ALTER TABLE campaign_watch ADD COLUMN from_id BIGINT NOT NULL DEFAULT 0;
