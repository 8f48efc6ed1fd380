-- +goose Up
CREATE INDEX operator_audit_operator ON operator_audit (operator_id, seq);
