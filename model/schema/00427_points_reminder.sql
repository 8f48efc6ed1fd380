-- +goose Up
CREATE TABLE points_reminder (
    member_id  BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (member_id, expires_at)
);
