-- +goose Up
CREATE INDEX payout_member ON payout (member_id, created_at);
