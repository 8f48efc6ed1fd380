-- +goose Up
-- Budget of won pots that came back because the prize could not be handed over.
CREATE TABLE pot_release (
    pot_id      BIGINT NOT NULL PRIMARY KEY,
    game_id     BIGINT NOT NULL,
    slice       INT NOT NULL,
    amount      BIGINT NOT NULL,
    released_at BIGINT NOT NULL
);
