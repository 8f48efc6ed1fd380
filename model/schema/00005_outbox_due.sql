-- +goose Up
CREATE INDEX outbox_due ON outbox (done_at, next_at);
