-- +goose Up
CREATE INDEX account_usage_day_day ON account_usage_day (day);
