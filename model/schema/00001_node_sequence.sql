-- +goose Up
CREATE TABLE node_sequence (
    id    BIGINT NOT NULL PRIMARY KEY,
    taken BIGINT NOT NULL
);
