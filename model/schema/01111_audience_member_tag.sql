-- +goose Up
CREATE TABLE audience_member_tag (
    tag_id    BIGINT NOT NULL,
    member_id BIGINT NOT NULL,
    source    VARCHAR(64) NOT NULL,
    tagged_at BIGINT NOT NULL,
    PRIMARY KEY (tag_id, member_id)
);
