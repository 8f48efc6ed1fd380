-- +goose Up
CREATE INDEX notice_member ON notice (member_id, read_at, id);
