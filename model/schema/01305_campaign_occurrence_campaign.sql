-- +goose Up
CREATE INDEX campaign_occurrence_campaign ON campaign_occurrence (campaign_id, step_id, scheduled_for);
