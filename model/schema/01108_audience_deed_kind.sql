-- +goose Up
-- Covers the question who did something since a day, and how often.
CREATE INDEX audience_deed_kind ON audience_deed (kind, day, member_id, n);
