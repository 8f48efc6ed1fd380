-- +goose Up
-- One row a person, for ever: a merged or closed one keeps its row, so that old
-- ids still lead somewhere.
CREATE TABLE member (
    id                BIGINT NOT NULL PRIMARY KEY,
    version           BIGINT NOT NULL,
    source            VARCHAR(64) NOT NULL,
    follows           BOOLEAN NOT NULL,
    follow_changed_at BIGINT NOT NULL,
    merged_into       BIGINT NOT NULL,
    merged_at         BIGINT NOT NULL,
    closed_at         BIGINT NOT NULL,
    joined_at         BIGINT NOT NULL
);
