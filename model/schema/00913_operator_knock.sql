-- +goose Up
-- How many attempts to sign in came from an address, a keyed index of it, since when.
CREATE TABLE operator_knock (
    address  VARCHAR(43) NOT NULL PRIMARY KEY,
    attempts INT NOT NULL,
    since_at BIGINT NOT NULL
);
