-- +goose Up
CREATE UNIQUE INDEX member_phone_member ON member_phone (member_id);
