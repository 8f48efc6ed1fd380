-- +goose Up
CREATE INDEX inbox_reply_due ON inbox_reply (state, leased_until);
