-- +goose Up
CREATE TABLE audience_list_member (
    list_id   BIGINT NOT NULL,
    member_id BIGINT NOT NULL,
    PRIMARY KEY (list_id, member_id)
);
