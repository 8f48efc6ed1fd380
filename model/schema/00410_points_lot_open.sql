-- +goose Up
CREATE INDEX points_lot_open ON points_lot (open_member, expires_at, id);
