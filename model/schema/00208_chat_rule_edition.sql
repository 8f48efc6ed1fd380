-- +goose Up
-- Grows with every edit of a rule, so that of two who edit it the later is told.
ALTER TABLE chat_rule ADD COLUMN version BIGINT NOT NULL DEFAULT 1;
