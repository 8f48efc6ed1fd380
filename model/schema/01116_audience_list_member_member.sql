-- +goose Up
CREATE INDEX audience_list_member_member ON audience_list_member (member_id, list_id);
