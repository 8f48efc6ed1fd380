-- +goose Up
-- One push of a step at one time: the key makes a second one impossible. part 1 is
-- what follows once a winner is known.
CREATE TABLE campaign_occurrence (
    step_id       BIGINT NOT NULL,
    scheduled_for BIGINT NOT NULL,
    part          INT NOT NULL,
    campaign_id   BIGINT NOT NULL,
    version       INT NOT NULL,
    state         VARCHAR(16) NOT NULL,
    due_at        BIGINT NOT NULL,
    missed        BIGINT NOT NULL,
    dispatch_id   BIGINT NOT NULL,
    frozen_id     BIGINT NOT NULL,
    total         BIGINT NOT NULL,
    winner        VARCHAR(8) NOT NULL,
    why           VARCHAR(200) NOT NULL,
    ends_at       BIGINT NOT NULL,
    leased_until  BIGINT NOT NULL,
    lease_token   VARCHAR(32) NOT NULL,
    created_at    BIGINT NOT NULL,
    staged_at     BIGINT NOT NULL,
    PRIMARY KEY (step_id, scheduled_for, part)
);
