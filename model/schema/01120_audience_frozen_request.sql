-- +goose Up
CREATE UNIQUE INDEX audience_frozen_request ON audience_frozen (request_id);
