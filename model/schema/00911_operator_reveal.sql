-- +goose Up
-- How many numbers an operator looked at, by hour (h123) and day (d45).
CREATE TABLE operator_reveal (
    operator_id BIGINT NOT NULL,
    slot        VARCHAR(16) NOT NULL,
    used        INT NOT NULL,
    PRIMARY KEY (operator_id, slot)
);
