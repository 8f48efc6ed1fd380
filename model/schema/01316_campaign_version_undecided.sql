-- +goose Up
-- An audience or a material that was not chosen was written as 0, which nobody could read.
UPDATE campaign_version SET plan = REPLACE(REPLACE(plan, '"segment":"0",', ''), ',"material":"0"', '') WHERE plan LIKE '%:"0"%';
