-- +goose Up
CREATE INDEX push_load_day ON push_load (day);
