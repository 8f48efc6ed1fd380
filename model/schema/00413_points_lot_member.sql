-- +goose Up
CREATE INDEX points_lot_member ON points_lot (member_id, id);
