-- +goose Up
CREATE INDEX push_dispatch_state ON push_dispatch (state, starts_at);
