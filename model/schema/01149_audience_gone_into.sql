-- +goose Up
CREATE INDEX audience_gone_into ON audience_gone (into_id);
