-- +goose Up
INSERT INTO chat_rule_version (id, version) VALUES (1, 1);
