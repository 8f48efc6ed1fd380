-- +goose Up
CREATE INDEX push_delivery_member ON push_delivery (member_id, id);
