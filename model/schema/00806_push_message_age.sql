-- +goose Up
CREATE INDEX push_message_age ON push_message (state, updated_at);
