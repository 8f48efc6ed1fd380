-- +goose Up
-- Of a published one nothing changes any more.
CREATE TABLE material_version (
    id           BIGINT NOT NULL PRIMARY KEY,
    material_id  BIGINT NOT NULL,
    number       INT NOT NULL,
    kind         VARCHAR(16) NOT NULL,
    state        VARCHAR(16) NOT NULL,
    revision     BIGINT NOT NULL,
    body         TEXT NOT NULL,
    note         VARCHAR(255) NOT NULL,
    created_by   BIGINT NOT NULL,
    created_at   BIGINT NOT NULL,
    submitted_by BIGINT NOT NULL,
    submitted_at BIGINT NOT NULL,
    checked_by   BIGINT NOT NULL,
    checked_at   BIGINT NOT NULL
);
