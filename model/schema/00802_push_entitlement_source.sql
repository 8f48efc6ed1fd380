-- +goose Up
CREATE UNIQUE INDEX push_entitlement_source ON push_entitlement (member_id, channel, template, source);
