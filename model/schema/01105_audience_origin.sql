-- +goose Up
-- Where facts come from: one row a combination of imports, shared by many members.
CREATE TABLE audience_origin (
    id    BIGINT NOT NULL PRIMARY KEY,
    hash  VARCHAR(64) NOT NULL,
    facts TEXT NOT NULL
);
