-- +goose Up
CREATE INDEX pot_board ON pot (game_id, state, took, owner_id, helps);
