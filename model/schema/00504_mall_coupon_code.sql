-- +goose Up
CREATE UNIQUE INDEX mall_coupon_code ON mall_coupon (gift_id, code_key);
