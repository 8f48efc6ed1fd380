-- +goose Up
-- open_id is the version that is written or reviewed, live_id the one published last.
CREATE TABLE material (
    id         BIGINT NOT NULL PRIMARY KEY,
    folder_id  BIGINT NOT NULL,
    kind       VARCHAR(16) NOT NULL,
    name       VARCHAR(64) NOT NULL,
    open_id    BIGINT NOT NULL,
    live_id    BIGINT NOT NULL,
    retired_at BIGINT NOT NULL,
    revision   BIGINT NOT NULL,
    created_by BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
