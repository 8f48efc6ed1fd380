-- +goose Up
CREATE INDEX member_binding_phone ON member_binding (phone_index);
