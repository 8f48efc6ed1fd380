-- +goose Up
-- The claim of a unionid: one member at most has it.
CREATE TABLE member_union (
    unionid    VARCHAR(64) NOT NULL PRIMARY KEY,
    member_id  BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);
