-- +goose Up
CREATE UNIQUE INDEX points_adjustment_request ON points_adjustment (maker_id, request_id);
