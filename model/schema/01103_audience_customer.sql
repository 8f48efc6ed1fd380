-- +goose Up
-- Whose number it is. phone_sealed is bound to member_id.
CREATE TABLE audience_customer (
    member_id    BIGINT NOT NULL PRIMARY KEY,
    phone_index  VARCHAR(43) NOT NULL,
    phone_sealed VARCHAR(80) NOT NULL,
    name         VARCHAR(64) NOT NULL
);
