-- +goose Up
CREATE TABLE audience_frozen_member (
    frozen_id BIGINT NOT NULL,
    member_id BIGINT NOT NULL,
    PRIMARY KEY (frozen_id, member_id)
);
