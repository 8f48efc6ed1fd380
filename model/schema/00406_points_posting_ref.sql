-- +goose Up
CREATE UNIQUE INDEX points_posting_ref ON points_posting (ref_type, ref_id, kind);
