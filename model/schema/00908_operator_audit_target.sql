-- +goose Up
CREATE INDEX operator_audit_target ON operator_audit (target, seq);
