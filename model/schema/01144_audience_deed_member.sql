-- +goose Up
-- Covers the question who of a range of people did something since a day.
CREATE INDEX audience_deed_member ON audience_deed (kind, member_id, day, n);
