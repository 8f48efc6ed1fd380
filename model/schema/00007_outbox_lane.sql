-- +goose Up
-- Each topic is a lane of its own; the topics that wait are found by a seek each.
CREATE INDEX outbox_lane ON outbox (done_at, topic, next_at);
