-- +goose Up
-- Parcels that were shipped and not received wait in another: mall.onTheWay.
UPDATE mall_redemption SET next_at = 253402271999998 WHERE kind = 'physical' AND state = 'shipped';
