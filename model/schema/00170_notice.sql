-- +goose Up
-- What a member is told of his own affairs, to be read in the mini-program.
CREATE TABLE notice (
    id         BIGINT NOT NULL PRIMARY KEY,
    member_id  BIGINT NOT NULL,
    topic      VARCHAR(64) NOT NULL,
    request_id VARCHAR(64) NOT NULL,
    body       VARCHAR(512) NOT NULL,
    read_at    BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);
