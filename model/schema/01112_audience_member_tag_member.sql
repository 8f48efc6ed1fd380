-- +goose Up
CREATE INDEX audience_member_tag_member ON audience_member_tag (member_id, tag_id);
