-- +goose Up
CREATE INDEX points_account_due ON points_account (due_at, member_id);
