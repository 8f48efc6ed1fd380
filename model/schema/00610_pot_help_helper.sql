-- +goose Up
CREATE UNIQUE INDEX pot_help_helper ON pot_help (pot_id, helper_id);
