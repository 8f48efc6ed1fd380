-- +goose Up
-- One sign-in on one phone: the family of its refresh tokens. code_hash makes a login
-- code good for one session.
CREATE TABLE session (
    id         BIGINT      NOT NULL PRIMARY KEY,
    member_id  BIGINT      NOT NULL,
    app        VARCHAR(32) NOT NULL,
    code_hash  VARCHAR(43) NOT NULL,
    request_id VARCHAR(64) NOT NULL,
    created_at BIGINT      NOT NULL,
    expires_at BIGINT      NOT NULL,
    ended_at   BIGINT      NOT NULL,
    reason     VARCHAR(16) NOT NULL
);
