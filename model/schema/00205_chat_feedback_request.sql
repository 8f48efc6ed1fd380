-- +goose Up
CREATE UNIQUE INDEX chat_feedback_request ON chat_feedback (request_id);
