-- +goose Up
CREATE UNIQUE INDEX session_code ON session (code_hash);
