-- +goose Up
CREATE UNIQUE INDEX points_first_bind_member ON points_first_bind (member_id);
