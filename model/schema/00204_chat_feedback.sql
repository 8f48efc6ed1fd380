-- +goose Up
-- What a member wrote to us; message is at most 2,048 bytes.
CREATE TABLE chat_feedback (
    id         BIGINT NOT NULL PRIMARY KEY,
    member_id  BIGINT NOT NULL,
    message    TEXT NOT NULL,
    request_id VARCHAR(64) NOT NULL,
    created_at BIGINT NOT NULL
);
