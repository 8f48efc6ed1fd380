-- +goose Up
-- How far a step has looked for what it waits for: round began, everybody up to
-- after_id is looked at.
CREATE TABLE campaign_watch (
    step_id      BIGINT NOT NULL PRIMARY KEY,
    campaign_id  BIGINT NOT NULL,
    baseline_id  BIGINT NOT NULL,
    round_at     BIGINT NOT NULL,
    after_id     BIGINT NOT NULL,
    done_at      BIGINT NOT NULL,
    leased_until BIGINT NOT NULL,
    lease_token  VARCHAR(32) NOT NULL
);
