-- +goose Up
CREATE INDEX audience_bought_day ON audience_bought (day);
