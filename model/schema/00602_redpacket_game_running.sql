-- +goose Up
CREATE INDEX redpacket_game_running ON redpacket_game (ends_at, starts_at);
