-- +goose Up
-- One recipient of one dispatch, for ever. Sending is committed before the call;
-- called_at is the database's time of it. tried holds the ways that refused, batch
-- the mass message that it went with.
CREATE TABLE push_delivery (
    id           BIGINT NOT NULL PRIMARY KEY,
    dispatch_id  BIGINT NOT NULL,
    campaign_id  BIGINT NOT NULL,
    member_id    BIGINT NOT NULL,
    variant      INT NOT NULL,
    shard        INT NOT NULL,
    state        VARCHAR(16) NOT NULL,
    channel      VARCHAR(16) NOT NULL,
    why          VARCHAR(64) NOT NULL,
    tried        INT NOT NULL,
    batch        BIGINT NOT NULL,
    called_at    BIGINT NOT NULL,
    changed_at   BIGINT NOT NULL,
    delivered_at BIGINT NOT NULL,
    tapped_at    BIGINT NOT NULL
);
