-- +goose Up
-- Where an operator may look at people; no row: everywhere. An empty city: all of the province.
CREATE TABLE operator_region (
    operator_id BIGINT NOT NULL,
    province    VARCHAR(32) NOT NULL,
    city        VARCHAR(32) NOT NULL,
    PRIMARY KEY (operator_id, province, city)
);
