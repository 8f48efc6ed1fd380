-- +goose Up
-- Whose redemptions went over to whom when two members became one.
CREATE TABLE mall_merged (
    from_id    BIGINT NOT NULL PRIMARY KEY,
    into_id    BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);
