-- +goose Up
CREATE INDEX operator_audit_happened ON operator_audit (happened_at);
