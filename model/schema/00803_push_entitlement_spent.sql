-- +goose Up
CREATE INDEX push_entitlement_spent ON push_entitlement (remaining, granted_at);
