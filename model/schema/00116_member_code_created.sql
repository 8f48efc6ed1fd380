-- +goose Up
CREATE INDEX member_code_created ON member_code (created_at);
