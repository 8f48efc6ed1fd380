-- +goose Up
CREATE INDEX campaign_state ON campaign (state, id);
