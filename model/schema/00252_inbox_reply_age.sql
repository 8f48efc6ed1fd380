-- +goose Up
CREATE INDEX inbox_reply_age ON inbox_reply (updated_at);
