-- +goose Up
CREATE INDEX audience_once_day ON audience_once (day);
