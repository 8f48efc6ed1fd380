-- +goose Up
CREATE INDEX member_union_member ON member_union (member_id);
