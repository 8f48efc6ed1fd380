-- +goose Up
CREATE INDEX push_delivery_campaign ON push_delivery (campaign_id, id);
