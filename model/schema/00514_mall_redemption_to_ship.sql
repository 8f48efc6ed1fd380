-- +goose Up
-- Parcels to be shipped wait in a queue of their own: the next_at that mall.toShip is.
UPDATE mall_redemption SET next_at = 253402271999997 WHERE kind = 'physical' AND state = 'accepted';
