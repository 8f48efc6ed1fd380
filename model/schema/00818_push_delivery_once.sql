-- +goose Up
CREATE UNIQUE INDEX push_delivery_once ON push_delivery (dispatch_id, member_id);
