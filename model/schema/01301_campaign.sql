-- +goose Up
-- A campaign and where it stands; what it does is in its versions. told is the state
-- that the pushes were last told of.
CREATE TABLE campaign (
    id           BIGINT NOT NULL PRIMARY KEY,
    name         VARCHAR(64) NOT NULL,
    goal         VARCHAR(16) NOT NULL,
    state        VARCHAR(16) NOT NULL,
    why          VARCHAR(200) NOT NULL,
    told         VARCHAR(16) NOT NULL,
    paused_from  VARCHAR(16) NOT NULL,
    live_version INT NOT NULL,
    last_version INT NOT NULL,
    origin_id    BIGINT NOT NULL,
    canary_at    BIGINT NOT NULL,
    released_at  BIGINT NOT NULL,
    ends_at      BIGINT NOT NULL,
    created_by   BIGINT NOT NULL,
    created_at   BIGINT NOT NULL,
    updated_at   BIGINT NOT NULL
);
