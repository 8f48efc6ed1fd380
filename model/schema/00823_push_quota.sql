-- +goose Up
-- What all replicas together sent by a channel. Days are the application's, minutes
-- the database's. Neither goes back. minute_cap is what WeChat taught us today, 0 for
-- nothing. Nothing is sent on shut_day and in shut_minute.
CREATE TABLE push_quota (
    channel     VARCHAR(16) NOT NULL PRIMARY KEY,
    day         INT NOT NULL,
    day_used    BIGINT NOT NULL,
    minute      BIGINT NOT NULL,
    minute_used BIGINT NOT NULL,
    minute_cap  BIGINT NOT NULL,
    shut_day    INT NOT NULL,
    shut_minute BIGINT NOT NULL
);
