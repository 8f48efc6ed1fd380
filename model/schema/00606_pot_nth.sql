-- +goose Up
-- The limit of pots an owner is this key: nth runs from 1 to the limit.
CREATE UNIQUE INDEX pot_nth ON pot (owner_id, game_id, nth);
