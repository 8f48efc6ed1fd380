-- +goose Up
CREATE INDEX push_tap_age ON push_tap (tapped_at);
