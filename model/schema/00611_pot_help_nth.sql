-- +goose Up
-- The limit of helps a day is this key: nth runs from 1 to the limit.
CREATE UNIQUE INDEX pot_help_nth ON pot_help (helper_id, game_id, day, nth);
