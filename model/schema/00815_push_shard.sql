-- +goose Up
-- A range of a dispatch's rows that one worker has at a time. lease_until is the
-- database's time, due_at the application's. Wave 0 is the canary.
CREATE TABLE push_shard (
    dispatch_id BIGINT NOT NULL,
    n           INT NOT NULL,
    wave        INT NOT NULL,
    from_id     BIGINT NOT NULL,
    to_id       BIGINT NOT NULL,
    state       VARCHAR(16) NOT NULL,
    token       VARCHAR(32) NOT NULL,
    lease_until BIGINT NOT NULL,
    due_at      BIGINT NOT NULL,
    PRIMARY KEY (dispatch_id, n)
);
