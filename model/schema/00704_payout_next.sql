-- +goose Up
-- When something is to be done about the payout; NULL is at once.
ALTER TABLE payout ADD COLUMN next_at BIGINT;
