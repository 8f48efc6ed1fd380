-- +goose Up
-- The right to send a member messages by one channel: a one-time consent, or an
-- open window of the customer service. Used up when remaining is 0; expires_at 0
-- is never.
CREATE TABLE push_entitlement (
    id         BIGINT NOT NULL PRIMARY KEY,
    member_id  BIGINT NOT NULL,
    channel    VARCHAR(16) NOT NULL,
    template   VARCHAR(64) NOT NULL,
    source     VARCHAR(64) NOT NULL,
    granted_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    remaining  INT NOT NULL
);
