-- +goose Up
-- Every refresh token that a session had, hashed; one of a session is unused.
CREATE TABLE session_refresh (
    token_hash  VARCHAR(43) NOT NULL PRIMARY KEY,
    session_id  BIGINT      NOT NULL,
    parent_hash VARCHAR(43) NOT NULL,
    used_by     VARCHAR(64) NOT NULL,
    used_at     BIGINT      NOT NULL,
    expires_at  BIGINT      NOT NULL
);
