-- +goose Up
CREATE INDEX member_identity_member ON member_identity (member_id, app);
