-- +goose Up
-- What was counted among the deeds by a name of its own, so that it is counted once.
CREATE TABLE audience_once (
    ref VARCHAR(96) NOT NULL PRIMARY KEY,
    day INT NOT NULL
);
