-- +goose Up
CREATE UNIQUE INDEX push_message_request ON push_message (member_id, topic, request_id);
