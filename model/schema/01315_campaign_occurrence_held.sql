-- +goose Up
-- How long its campaign was paused since it was staged: a test does not wait meanwhile.
ALTER TABLE campaign_occurrence ADD COLUMN held_ms BIGINT NOT NULL DEFAULT 0;
