-- +goose Up
-- An earning with its expiry. open_member is the owner while points are left and
-- may be spent, pending_member while they are not active yet, NULL otherwise, so
-- that used-up lots leave the ways by which lots are found.
CREATE TABLE points_lot (
    id             BIGINT NOT NULL PRIMARY KEY,
    member_id      BIGINT NOT NULL,
    open_member    BIGINT,
    pending_member BIGINT,
    issued         BIGINT NOT NULL,
    remaining      BIGINT NOT NULL,
    source         VARCHAR(32) NOT NULL,
    active_at      BIGINT NOT NULL,
    expires_at     BIGINT NOT NULL,
    posting_id     BIGINT NOT NULL,
    origin_id      BIGINT NOT NULL,
    created_at     BIGINT NOT NULL
);
