-- +goose Up
CREATE INDEX mall_merged_into ON mall_merged (into_id);
