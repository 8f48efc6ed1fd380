-- +goose Up
CREATE INDEX push_shard_open ON push_shard (dispatch_id, state, wave, n);
