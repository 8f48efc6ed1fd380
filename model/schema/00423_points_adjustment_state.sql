-- +goose Up
CREATE INDEX points_adjustment_state ON points_adjustment (state, id);
