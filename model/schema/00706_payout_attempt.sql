-- +goose Up
-- One bill at the carrier. Its number and body stand before the first byte is sent
-- and never change; body is sealed, for it names a phone number. active is 1 while
-- the attempt may succeed or has, NULL once it has failed for good.
CREATE TABLE payout_attempt (
    pot_id      BIGINT NOT NULL,
    n           INT NOT NULL,
    bill_no     VARCHAR(64) NOT NULL,
    body        TEXT NOT NULL,
    body_hash   VARCHAR(64) NOT NULL,
    state       VARCHAR(16) NOT NULL,
    active      INT,
    again       BOOLEAN NOT NULL,
    tries       INT NOT NULL,
    lease_token VARCHAR(32) NOT NULL,
    next_at     BIGINT NOT NULL,
    receipt     VARCHAR(128) NOT NULL,
    why         VARCHAR(64) NOT NULL,
    checked_at  BIGINT NOT NULL,
    created_at  BIGINT NOT NULL,
    updated_at  BIGINT NOT NULL,
    PRIMARY KEY (pot_id, n)
);
