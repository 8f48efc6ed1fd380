-- +goose Up
CREATE INDEX points_account_merged ON points_account (merged_into, member_id);
