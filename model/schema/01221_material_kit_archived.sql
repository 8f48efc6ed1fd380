-- +goose Up
-- When a kit was put away, 0: it is not. Plans may not be handed in with it, those that run go on.
ALTER TABLE material_kit ADD COLUMN archived_at BIGINT NOT NULL DEFAULT 0;
