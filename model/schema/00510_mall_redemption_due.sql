-- +goose Up
CREATE INDEX mall_redemption_due ON mall_redemption (next_at, id);
