-- +goose Up
-- Something happened to a member on which a step waits; ref names what, so that it
-- counts once. taken_for is the occurrence that brings it, 0: none yet.
CREATE TABLE campaign_signal (
    step_id     BIGINT NOT NULL,
    member_id   BIGINT NOT NULL,
    ref         VARCHAR(32) NOT NULL,
    campaign_id BIGINT NOT NULL,
    happened_at BIGINT NOT NULL,
    due_at      BIGINT NOT NULL,
    taken_for   BIGINT NOT NULL,
    PRIMARY KEY (step_id, member_id, ref)
);
