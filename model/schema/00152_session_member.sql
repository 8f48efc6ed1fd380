-- +goose Up
CREATE INDEX session_member ON session (member_id, ended_at);
