-- +goose Up
CREATE INDEX member_code_quota_day ON member_code_quota (day);
