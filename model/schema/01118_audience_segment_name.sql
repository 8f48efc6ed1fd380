-- +goose Up
CREATE UNIQUE INDEX audience_segment_name ON audience_segment (name);
