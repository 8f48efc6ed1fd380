-- +goose Up
CREATE INDEX mall_gift_shelf ON mall_gift (state, position, id);
