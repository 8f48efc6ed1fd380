-- +goose Up
CREATE UNIQUE INDEX outbox_request ON outbox (topic, request_id);
