-- +goose Up
-- A message whose answer is owed: success was said, the answer follows by
-- customer-service message. Also the record of who runs a message's logic while
-- Redis is away. inbound and content are sealed.
CREATE TABLE inbox_reply (
    message_key  VARCHAR(64) NOT NULL PRIMARY KEY,
    app          VARCHAR(16) NOT NULL,
    openid       VARCHAR(64) NOT NULL,
    state        VARCHAR(16) NOT NULL,
    inbound      TEXT NOT NULL,
    content      TEXT NOT NULL,
    attempts     INT NOT NULL,
    lease_token  VARCHAR(32) NOT NULL,
    leased_until BIGINT NOT NULL,
    error        VARCHAR(64) NOT NULL,
    created_at   BIGINT NOT NULL,
    updated_at   BIGINT NOT NULL
);
