-- +goose Up
-- Members who became another (into_id) or closed their account (0): what is still on its
-- way of them is that one's, or nobody's.
CREATE TABLE audience_gone (
    member_id BIGINT NOT NULL PRIMARY KEY,
    into_id BIGINT NOT NULL,
    at BIGINT NOT NULL
);
