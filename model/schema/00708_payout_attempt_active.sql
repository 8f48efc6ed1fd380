-- +goose Up
CREATE UNIQUE INDEX payout_attempt_active ON payout_attempt (pot_id, active);
