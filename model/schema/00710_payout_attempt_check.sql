-- +goose Up
CREATE INDEX payout_attempt_check ON payout_attempt (checked_at, updated_at);
