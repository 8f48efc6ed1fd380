-- +goose Up
-- What WeChat reported of a message; it may come before the receipt is written.
CREATE TABLE push_report (
    msg_id      VARCHAR(32) NOT NULL PRIMARY KEY,
    delivered   BOOLEAN NOT NULL,
    why         VARCHAR(64) NOT NULL,
    reported_at BIGINT NOT NULL
);
