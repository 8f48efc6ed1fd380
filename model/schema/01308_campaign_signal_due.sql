-- +goose Up
CREATE INDEX campaign_signal_due ON campaign_signal (step_id, taken_for, due_at);
