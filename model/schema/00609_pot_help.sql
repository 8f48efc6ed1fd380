-- +goose Up
-- Slot k of a pot, taken by a helper or, when the pot has ended, by nobody: a void row
-- has no day and no nth, and minus k for its helper. Rows are only ever inserted.
CREATE TABLE pot_help (
    pot_id     BIGINT NOT NULL,
    k          INT NOT NULL,
    helper_id  BIGINT NOT NULL,
    request_id VARCHAR(64) NOT NULL,
    game_id    BIGINT NOT NULL,
    day        INT,
    nth        INT,
    share      BIGINT NOT NULL,
    shown      BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (pot_id, k)
);
