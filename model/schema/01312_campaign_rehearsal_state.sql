-- +goose Up
CREATE INDEX campaign_rehearsal_state ON campaign_rehearsal (state, id);
