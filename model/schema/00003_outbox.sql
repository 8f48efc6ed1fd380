-- +goose Up
-- A promise to the outside, made in the transaction that it belongs to.
CREATE TABLE outbox (
    id           BIGINT NOT NULL PRIMARY KEY,
    topic        VARCHAR(64) NOT NULL,
    request_id   VARCHAR(64) NOT NULL,
    payload      TEXT NOT NULL,
    attempts     INT NOT NULL,
    next_at      BIGINT NOT NULL,
    lease_token  VARCHAR(32) NOT NULL,
    leased_until BIGINT NOT NULL,
    done_at      BIGINT NOT NULL,
    error        VARCHAR(255) NOT NULL,
    created_at   BIGINT NOT NULL
);
