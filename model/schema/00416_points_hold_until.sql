-- +goose Up
CREATE INDEX points_hold_until ON points_hold (state, until_at, id);
