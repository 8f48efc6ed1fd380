-- +goose Up
CREATE INDEX session_refresh_family ON session_refresh (session_id);
