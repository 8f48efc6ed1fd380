-- +goose Up
CREATE UNIQUE INDEX notice_request ON notice (topic, request_id);
