-- +goose Up
CREATE UNIQUE INDEX chat_rule_request ON chat_rule (request_id);
