-- +goose Up
CREATE INDEX payout_due ON payout (state, next_at);
