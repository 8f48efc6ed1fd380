-- +goose Up
CREATE INDEX points_lot_expiry ON points_lot (expires_at, open_member);
