-- +goose Up
CREATE UNIQUE INDEX audience_origin_hash ON audience_origin (hash);
