-- +goose Up
-- What a campaign did to one person, added up over its pushes by one run.
CREATE TABLE campaign_report_person (
    campaign_id BIGINT NOT NULL,
    member_id   BIGINT NOT NULL,
    run         BIGINT NOT NULL,
    arm         INT NOT NULL,
    variant     VARCHAR(8) NOT NULL,
    channel     VARCHAR(16) NOT NULL,
    sent        INT NOT NULL,
    delivered   INT NOT NULL,
    tapped      INT NOT NULL,
    sent_at     BIGINT NOT NULL,
    PRIMARY KEY (campaign_id, member_id)
);
