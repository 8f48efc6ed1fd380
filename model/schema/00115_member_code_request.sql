-- +goose Up
CREATE UNIQUE INDEX member_code_request ON member_code (member_id, request_id);
