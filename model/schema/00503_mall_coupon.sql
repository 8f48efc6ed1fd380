-- +goose Up
-- A pool of codes; redemption_id is 0 while a code is free.
CREATE TABLE mall_coupon (
    id            BIGINT NOT NULL PRIMARY KEY,
    gift_id       BIGINT NOT NULL,
    code_key      VARCHAR(64) NOT NULL,
    code          VARCHAR(255) NOT NULL,
    redemption_id BIGINT NOT NULL,
    created_at    BIGINT NOT NULL
);
