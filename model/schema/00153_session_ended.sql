-- +goose Up
CREATE INDEX session_ended ON session (ended_at, id);
