-- +goose Up
-- All pots of a game may end at one instant: the pages over them go on at an id.
CREATE INDEX pot_ending ON pot (state, ends_at, id);
