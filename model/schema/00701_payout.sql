-- +goose Up
-- What a pot has won, on its way to the pot's owner.
CREATE TABLE payout (
    pot_id     BIGINT NOT NULL PRIMARY KEY,
    game_id    BIGINT NOT NULL,
    member_id  BIGINT NOT NULL,
    kind       VARCHAR(16) NOT NULL,
    value      BIGINT NOT NULL,
    quantity   BIGINT NOT NULL,
    state      VARCHAR(16) NOT NULL,
    held_why   VARCHAR(255) NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
