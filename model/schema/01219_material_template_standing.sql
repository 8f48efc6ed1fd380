-- +goose Up
CREATE UNIQUE INDEX material_template_standing ON material_template (channel, wechat_id, retired_at);
