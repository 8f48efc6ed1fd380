-- +goose Up
-- What a write answered under an Idempotency-Key, sealed; status 0: it is running.
CREATE TABLE idempotency (
    scope        VARCHAR(128) NOT NULL,
    request_id   VARCHAR(64)  NOT NULL,
    member_id    BIGINT       NOT NULL,
    body_hash    VARCHAR(43)  NOT NULL,
    token        VARCHAR(26)  NOT NULL,
    leased_until BIGINT       NOT NULL,
    status       INT          NOT NULL,
    answer       TEXT         NOT NULL,
    created_at   BIGINT       NOT NULL,
    PRIMARY KEY (scope, request_id)
);
