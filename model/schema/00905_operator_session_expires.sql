-- +goose Up
CREATE INDEX operator_session_expires ON operator_session (expires_at);
