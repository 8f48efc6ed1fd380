-- +goose Up
CREATE UNIQUE INDEX mall_redemption_nth ON mall_redemption (gift_id, member_id, nth);
