-- +goose Up
CREATE INDEX member_phone_key ON member_phone (key_version);
