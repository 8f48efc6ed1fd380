-- +goose Up
CREATE UNIQUE INDEX pot_request ON pot (owner_id, request_id);
