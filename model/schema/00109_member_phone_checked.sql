-- +goose Up
CREATE INDEX member_phone_checked ON member_phone (checked_at, member_id);
