-- +goose Up
-- One row that grows with every change of a rule, so that replicas know when to read them again.
CREATE TABLE chat_rule_version (
    id      BIGINT NOT NULL PRIMARY KEY,
    version BIGINT NOT NULL
);
