-- +goose Up
INSERT INTO node_sequence (id, taken) VALUES (1, 0);
