-- +goose Up
-- The first answer of every request id. scope is the member, or the hold, that the
-- id belongs to.
CREATE TABLE points_request (
    scope      BIGINT NOT NULL,
    request_id VARCHAR(64) NOT NULL,
    body_hash  VARCHAR(64) NOT NULL,
    posting_id BIGINT NOT NULL,
    refusal    VARCHAR(64) NOT NULL,
    detail     VARCHAR(255) NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (scope, request_id)
);
