-- +goose Up
-- Who plays a game under another id now, because two members became one. The rows of
-- pots and helps stay with the id that they happened to.
CREATE TABLE redpacket_join (
    game_id   BIGINT NOT NULL,
    former_id BIGINT NOT NULL,
    member_id BIGINT NOT NULL,
    joined_at BIGINT NOT NULL,
    PRIMARY KEY (game_id, former_id)
);
