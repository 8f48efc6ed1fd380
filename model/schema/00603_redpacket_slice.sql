-- +goose Up
-- A part of a game's budget: many rows, so that opening does not queue behind one.
CREATE TABLE redpacket_slice (
    game_id  BIGINT NOT NULL,
    slice    INT NOT NULL,
    amount   BIGINT NOT NULL,
    reserved BIGINT NOT NULL,
    spent    BIGINT NOT NULL,
    PRIMARY KEY (game_id, slice)
);
