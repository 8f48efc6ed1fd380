-- +goose Up
CREATE INDEX push_dispatch_campaign ON push_dispatch (campaign_id, id);
