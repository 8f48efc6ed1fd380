-- +goose Up
-- The people who run the installation.
CREATE TABLE operator (
    id            BIGINT NOT NULL PRIMARY KEY,
    username      VARCHAR(32) NOT NULL,
    name          VARCHAR(64) NOT NULL,
    roles         VARCHAR(255) NOT NULL,
    password_hash VARCHAR(255) NOT NULL,
    totp_sealed   VARCHAR(255) NOT NULL,
    totp_active   BOOLEAN NOT NULL,
    totp_step     BIGINT NOT NULL,
    failures      INT NOT NULL,
    locked_until  BIGINT NOT NULL,
    disabled_at   BIGINT NOT NULL,
    created_at    BIGINT NOT NULL
);
