-- +goose Up
CREATE UNIQUE INDEX operator_username ON operator (username);
