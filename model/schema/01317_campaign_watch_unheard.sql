-- +goose Up
-- Of how many nobody could say in this round whether it happened to them.
ALTER TABLE campaign_watch ADD COLUMN unheard BIGINT NOT NULL DEFAULT 0;
