-- +goose Up
-- Every decision, for ever.
CREATE TABLE member_consent_change (
    id          BIGINT NOT NULL PRIMARY KEY,
    member_id   BIGINT NOT NULL,
    request_id  VARCHAR(64) NOT NULL,
    purpose     VARCHAR(32) NOT NULL,
    version     INT NOT NULL,
    granted     BOOLEAN NOT NULL,
    happened_at BIGINT NOT NULL
);
