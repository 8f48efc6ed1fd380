-- +goose Up
-- What a person said of a campaign's pushes; a campaign without a row runs.
CREATE TABLE push_campaign (
    campaign_id BIGINT NOT NULL PRIMARY KEY,
    state       VARCHAR(16) NOT NULL,
    why         VARCHAR(255) NOT NULL,
    changed_at  BIGINT NOT NULL
);
