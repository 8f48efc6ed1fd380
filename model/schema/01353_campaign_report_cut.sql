-- +goose Up
-- One line of a report: the people of one variant, channel, city …
CREATE TABLE campaign_report_cut (
    campaign_id BIGINT NOT NULL,
    cut         VARCHAR(16) NOT NULL,
    name        VARCHAR(64) NOT NULL,
    body        TEXT NOT NULL,
    PRIMARY KEY (campaign_id, cut, name)
);
