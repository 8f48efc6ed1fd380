-- +goose Up
-- How many codes a number (p:INDEX) and a member (m:ID) had on their last day.
CREATE TABLE member_code_quota (
    scope   VARCHAR(64) NOT NULL PRIMARY KEY,
    day     INT NOT NULL,
    sent    INT NOT NULL,
    last_at BIGINT NOT NULL
);
