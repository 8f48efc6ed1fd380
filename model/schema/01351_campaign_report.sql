-- +goose Up
-- The numbers of a campaign as they were last computed. run names the computation that
-- is under way and lease_until how long it is left alone.
CREATE TABLE campaign_report (
    campaign_id BIGINT NOT NULL PRIMARY KEY,
    run         BIGINT NOT NULL,
    lease_until BIGINT NOT NULL,
    computed_at BIGINT NOT NULL,
    body        TEXT NOT NULL
);
