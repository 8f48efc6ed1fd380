-- +goose Up
-- nth is which of a member's allowed redemptions of a gift this is, NULL where the
-- gift has no limit or the redemption was taken back. next_at is the end of 9999
-- when nothing is left to do by itself.
CREATE TABLE mall_redemption (
    id          BIGINT NOT NULL PRIMARY KEY,
    member_id   BIGINT NOT NULL,
    gift_id     BIGINT NOT NULL,
    nth         INT,
    request_id  VARCHAR(64) NOT NULL,
    body_hash   VARCHAR(64) NOT NULL,
    kind        VARCHAR(12) NOT NULL,
    title       VARCHAR(64) NOT NULL,
    points      BIGINT NOT NULL,
    fen         BIGINT NOT NULL,
    cancellable BOOLEAN NOT NULL,
    extend_days INT NOT NULL,
    spec        VARCHAR(1000) NOT NULL,
    delivery    VARCHAR(4000) NOT NULL,
    hold_id     BIGINT NOT NULL,
    state       VARCHAR(12) NOT NULL,
    reason      VARCHAR(255) NOT NULL,
    code        VARCHAR(255) NOT NULL,
    carrier_no  VARCHAR(64) NOT NULL,
    parcel      VARCHAR(128) NOT NULL,
    attempts    INT NOT NULL,
    next_at     BIGINT NOT NULL,
    created_at  BIGINT NOT NULL,
    updated_at  BIGINT NOT NULL
);
