-- +goose Up
CREATE INDEX points_posting_member ON points_posting (member_id, id);
