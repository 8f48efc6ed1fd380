-- +goose Up
CREATE UNIQUE INDEX material_template_name ON material_template (channel, wechat_id);
