-- +goose Up
-- One row an occurrence of a job: the insert that succeeds runs it.
CREATE TABLE job_run (
    job           VARCHAR(64) NOT NULL,
    scheduled_for BIGINT NOT NULL,
    token         VARCHAR(32) NOT NULL,
    lease_until   BIGINT NOT NULL,
    started_at    BIGINT NOT NULL,
    done_at       BIGINT NOT NULL,
    error         VARCHAR(255) NOT NULL,
    PRIMARY KEY (job, scheduled_for)
);
