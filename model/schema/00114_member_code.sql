-- +goose Up
-- The codes sent by SMS. The newest of a member is the one that counts.
CREATE TABLE member_code (
    id           BIGINT NOT NULL PRIMARY KEY,
    member_id    BIGINT NOT NULL,
    request_id   VARCHAR(64) NOT NULL,
    phone_sealed VARCHAR(80) NOT NULL,
    code_hash    VARCHAR(43) NOT NULL,
    state        VARCHAR(16) NOT NULL,
    tries        INT NOT NULL,
    used_by      VARCHAR(64) NOT NULL,
    expires_at   BIGINT NOT NULL,
    created_at   BIGINT NOT NULL
);
