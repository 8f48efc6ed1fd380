-- +goose Up
CREATE INDEX chat_feedback_member ON chat_feedback (member_id);
