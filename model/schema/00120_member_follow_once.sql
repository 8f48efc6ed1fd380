-- +goose Up
CREATE UNIQUE INDEX member_follow_once ON member_follow (member_id, happened_at, action);
