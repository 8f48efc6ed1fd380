-- +goose Up
-- A plan. It changes while it is a draft only: edits counts how often.
CREATE TABLE campaign_version (
    campaign_id  BIGINT NOT NULL,
    version      INT NOT NULL,
    state        VARCHAR(16) NOT NULL,
    edits        BIGINT NOT NULL,
    plan         TEXT NOT NULL,
    author_id    BIGINT NOT NULL,
    edited_at    BIGINT NOT NULL,
    submitted_by BIGINT NOT NULL,
    submitted_at BIGINT NOT NULL,
    frozen_id    BIGINT NOT NULL,
    frozen_size  BIGINT NOT NULL,
    decided_by   BIGINT NOT NULL,
    decided_at   BIGINT NOT NULL,
    why          VARCHAR(200) NOT NULL,
    PRIMARY KEY (campaign_id, version)
);
