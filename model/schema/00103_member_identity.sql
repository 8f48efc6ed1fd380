-- +goose Up
-- Who a member is towards one of the two apps.
CREATE TABLE member_identity (
    app        VARCHAR(32) NOT NULL,
    openid     VARCHAR(64) NOT NULL,
    member_id  BIGINT NOT NULL,
    unionid    VARCHAR(64) NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (app, openid)
);
