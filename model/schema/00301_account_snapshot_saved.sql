-- +goose Up
CREATE INDEX account_snapshot_saved ON account_snapshot (saved_at);
