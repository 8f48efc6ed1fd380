-- +goose Up
-- A segment as it stood at one instant; tree has other segments written out.
CREATE TABLE audience_frozen (
    id          BIGINT NOT NULL PRIMARY KEY,
    segment_id  BIGINT NOT NULL,
    request_id  VARCHAR(64) NOT NULL,
    tree        TEXT NOT NULL,
    as_of       BIGINT NOT NULL,
    done_to     BIGINT NOT NULL,
    size        BIGINT NOT NULL,
    done_at     BIGINT NOT NULL
);
