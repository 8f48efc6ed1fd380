-- +goose Up
-- Which variants a person was drawn into, one of each step; variant is no longer written.
ALTER TABLE campaign_report_person ADD COLUMN variants VARCHAR(255) NOT NULL DEFAULT '';
