-- +goose Up
CREATE INDEX audience_portrait_sample ON audience_portrait (sample, member_id);
