-- +goose Up
CREATE INDEX points_hold_member ON points_hold (member_id, state);
