-- +goose Up
-- The code of the fault with which a redemption was refused; NULL when it was not.
-- A refused row is its request's answer for seven days and nothing else.
ALTER TABLE mall_redemption ADD COLUMN refusal VARCHAR(64);
