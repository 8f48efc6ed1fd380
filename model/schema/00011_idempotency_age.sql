-- +goose Up
CREATE INDEX idempotency_age ON idempotency (created_at);
