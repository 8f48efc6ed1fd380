-- +goose Up
-- A crowdfunded red envelope campaign. What is looked for stands in columns, the rest
-- of its rules as JSON; both are fixed when it is made, but for the kill switch.
CREATE TABLE redpacket_game (
    id          BIGINT NOT NULL PRIMARY KEY,
    name        VARCHAR(64) NOT NULL,
    starts_at   BIGINT NOT NULL,
    ends_at     BIGINT NOT NULL,
    budget      BIGINT NOT NULL,
    rules       TEXT NOT NULL,
    stopped_at  BIGINT NOT NULL,
    stopped_why VARCHAR(255) NOT NULL,
    created_at  BIGINT NOT NULL
);
