-- +goose Up
-- One message to a member at most for each topic and request. Sending is written
-- before the call; every state but pending and sending is final.
CREATE TABLE push_message (
    id             BIGINT NOT NULL PRIMARY KEY,
    member_id      BIGINT NOT NULL,
    topic          VARCHAR(64) NOT NULL,
    request_id     VARCHAR(64) NOT NULL,
    purpose        VARCHAR(16) NOT NULL,
    state          VARCHAR(16) NOT NULL,
    channel        VARCHAR(16) NOT NULL,
    entitlement_id BIGINT NOT NULL,
    why            VARCHAR(64) NOT NULL,
    lease_until    BIGINT NOT NULL,
    created_at     BIGINT NOT NULL,
    updated_at     BIGINT NOT NULL
);
