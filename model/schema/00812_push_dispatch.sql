-- +goose Up
-- One push to a frozen audience. Only staged_to, total, shards, state, why and
-- released change.
CREATE TABLE push_dispatch (
    id           BIGINT NOT NULL PRIMARY KEY,
    campaign_id  BIGINT NOT NULL,
    step_id      BIGINT NOT NULL,
    frozen_id    BIGINT NOT NULL,
    purpose      VARCHAR(16) NOT NULL,
    holdout      INT NOT NULL,
    canary       INT NOT NULL,
    variants     TEXT NOT NULL,
    starts_at    BIGINT NOT NULL,
    ends_at      BIGINT NOT NULL,
    cap_day      INT NOT NULL,
    cap_week     INT NOT NULL,
    cap_campaign INT NOT NULL,
    state        VARCHAR(16) NOT NULL,
    why          VARCHAR(64) NOT NULL,
    released     BOOLEAN NOT NULL,
    staged_to    BIGINT NOT NULL,
    total        BIGINT NOT NULL,
    shards       INT NOT NULL,
    created_at   BIGINT NOT NULL
);
