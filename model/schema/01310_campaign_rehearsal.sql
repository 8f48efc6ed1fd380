-- +goose Up
-- One run of a plan in a scratch copy. slot is 0 while it waits or runs and its id
-- afterwards, so that a campaign has one at a time.
CREATE TABLE campaign_rehearsal (
    id           BIGINT NOT NULL PRIMARY KEY,
    campaign_id  BIGINT NOT NULL,
    version      INT NOT NULL,
    slot         BIGINT NOT NULL,
    state        VARCHAR(16) NOT NULL,
    why          VARCHAR(200) NOT NULL,
    tap          INT NOT NULL,
    open_pot     INT NOT NULL,
    help         INT NOT NULL,
    started_by   BIGINT NOT NULL,
    created_at   BIGINT NOT NULL,
    began_at     BIGINT NOT NULL,
    ended_at     BIGINT NOT NULL,
    reached_at   BIGINT NOT NULL,
    messages     BIGINT NOT NULL,
    lease_token  VARCHAR(32) NOT NULL,
    leased_until BIGINT NOT NULL,
    result       TEXT NOT NULL
);
