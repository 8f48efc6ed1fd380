-- +goose Up
CREATE INDEX mall_redemption_member ON mall_redemption (member_id, id);
