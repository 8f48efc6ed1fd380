-- +goose Up
-- When an operator put it away, 0 when nobody did: what used it goes on, nothing new may.
ALTER TABLE audience_segment ADD COLUMN archived_at BIGINT NOT NULL DEFAULT 0;
