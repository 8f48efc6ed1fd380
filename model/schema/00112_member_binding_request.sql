-- +goose Up
CREATE UNIQUE INDEX member_binding_request ON member_binding (member_id, request_id, action);
