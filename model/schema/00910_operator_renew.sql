-- +goose Up
-- The password was given by somebody else: its owner sets one of his own first.
ALTER TABLE operator ADD COLUMN renew BOOLEAN;
