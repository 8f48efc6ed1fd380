-- +goose Up
CREATE INDEX idempotency_member ON idempotency (member_id);
