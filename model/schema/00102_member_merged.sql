-- +goose Up
CREATE INDEX member_merged ON member (merged_into);
