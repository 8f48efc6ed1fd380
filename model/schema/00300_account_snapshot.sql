-- +goose Up
-- The last that the carrier said of a number, sealed. phone_key is the number's
-- blind index; kind is balance, usage, plan, bills or customer.
CREATE TABLE account_snapshot (
  phone_key VARCHAR(64) NOT NULL,
  kind      VARCHAR(16) NOT NULL,
  sealed    TEXT        NOT NULL,
  as_of     BIGINT      NOT NULL,
  saved_at  BIGINT      NOT NULL,
  PRIMARY KEY (phone_key, kind)
);
