-- +goose Up
CREATE UNIQUE INDEX mall_redemption_request ON mall_redemption (member_id, request_id);
