-- +goose Up
-- 0: in use. A retired one is named by what was published with it, and by nothing new.
ALTER TABLE material_template ADD COLUMN retired_at BIGINT NOT NULL DEFAULT 0;
