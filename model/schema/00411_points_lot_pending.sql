-- +goose Up
CREATE INDEX points_lot_pending ON points_lot (pending_member, active_at, id);
