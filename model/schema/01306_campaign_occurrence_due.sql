-- +goose Up
CREATE INDEX campaign_occurrence_due ON campaign_occurrence (state, due_at);
