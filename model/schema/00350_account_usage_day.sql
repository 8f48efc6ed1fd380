-- +goose Up
-- The last that the carrier said on a day of a number's allowances, sealed.
CREATE TABLE account_usage_day (
    phone_key  VARCHAR(64) NOT NULL,
    day        INT NOT NULL,
    sealed     TEXT NOT NULL,
    sampled_at BIGINT NOT NULL,
    PRIMARY KEY (phone_key, day)
);
