-- +goose Up
-- The bound numbers: one member at most has a number, one number at most a member.
-- phone_sealed is bound to member_id and key_version.
CREATE TABLE member_phone (
    phone_index  VARCHAR(43) NOT NULL PRIMARY KEY,
    member_id    BIGINT NOT NULL,
    phone_sealed VARCHAR(80) NOT NULL,
    key_version  INT NOT NULL,
    holder_id    VARCHAR(64) NOT NULL,
    bound_at     BIGINT NOT NULL,
    checked_at   BIGINT NOT NULL
);
