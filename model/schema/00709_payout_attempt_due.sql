-- +goose Up
CREATE INDEX payout_attempt_due ON payout_attempt (next_at);
