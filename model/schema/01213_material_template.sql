-- +goose Up
-- content is as WeChat has it, a line a field: 活动名称:{{thing1.DATA}}
CREATE TABLE material_template (
    id         BIGINT NOT NULL PRIMARY KEY,
    channel    VARCHAR(16) NOT NULL,
    wechat_id  VARCHAR(64) NOT NULL,
    title      VARCHAR(64) NOT NULL,
    content    TEXT NOT NULL,
    created_by BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);
