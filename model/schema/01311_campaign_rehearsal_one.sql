-- +goose Up
CREATE UNIQUE INDEX campaign_rehearsal_one ON campaign_rehearsal (campaign_id, slot);
