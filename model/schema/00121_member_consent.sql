-- +goose Up
-- What a member agrees to now.
CREATE TABLE member_consent (
    member_id  BIGINT NOT NULL,
    purpose    VARCHAR(32) NOT NULL,
    version    INT NOT NULL,
    granted    BOOLEAN NOT NULL,
    changed_at BIGINT NOT NULL,
    PRIMARY KEY (member_id, purpose)
);
