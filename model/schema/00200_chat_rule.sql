-- +goose Up
-- An operator's keyword rule; content is the JSON of model.Content, ends_at 0 means without end.
CREATE TABLE chat_rule (
    id         BIGINT NOT NULL PRIMARY KEY,
    how        VARCHAR(16) NOT NULL,
    pattern    VARCHAR(64) NOT NULL,
    priority   INT NOT NULL,
    starts_at  BIGINT NOT NULL,
    ends_at    BIGINT NOT NULL,
    enabled    BOOLEAN NOT NULL,
    content    TEXT NOT NULL,
    request_id VARCHAR(64) NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
