-- +goose Up
CREATE INDEX mall_coupon_free ON mall_coupon (gift_id, redemption_id, id);
