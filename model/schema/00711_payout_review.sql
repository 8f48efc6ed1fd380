-- +goose Up
-- What a person decided about a payout.
CREATE TABLE payout_review (
    id         BIGINT NOT NULL PRIMARY KEY,
    pot_id     BIGINT NOT NULL,
    decision   VARCHAR(16) NOT NULL,
    decided_by VARCHAR(64) NOT NULL,
    why        VARCHAR(255) NOT NULL,
    decided_at BIGINT NOT NULL
);
