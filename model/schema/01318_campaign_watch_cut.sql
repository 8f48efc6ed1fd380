-- +goose Up
-- The round before this one when it was not ended in its time; 0: it was.
ALTER TABLE campaign_watch ADD COLUMN cut_at BIGINT NOT NULL DEFAULT 0;
