-- +goose Up
CREATE UNIQUE INDEX audience_customer_phone ON audience_customer (phone_index);
