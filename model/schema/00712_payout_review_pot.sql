-- +goose Up
CREATE INDEX payout_review_pot ON payout_review (pot_id, decided_at);
