-- +goose Up
-- The history of bindings; rows are only ever inserted, and masked when the member
-- closes the account. It keeps the index of a number, never the number.
CREATE TABLE member_binding (
    id           BIGINT NOT NULL PRIMARY KEY,
    member_id    BIGINT NOT NULL,
    request_id   VARCHAR(64) NOT NULL,
    action       VARCHAR(16) NOT NULL,
    reason       VARCHAR(16) NOT NULL,
    phone_index  VARCHAR(43) NOT NULL,
    phone_masked VARCHAR(16) NOT NULL,
    happened_at  BIGINT NOT NULL
);
