-- +goose Up
CREATE INDEX pot_due ON pot (state, ends_at);
