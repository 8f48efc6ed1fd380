-- +goose Up
CREATE INDEX operator_session_operator ON operator_session (operator_id);
