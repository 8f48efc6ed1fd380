-- +goose Up
-- What was taken of a limit: points of a source by a member in a day or a month,
-- or adjustments without a second person by an operator in a day.
CREATE TABLE points_cap (
    owner_id BIGINT NOT NULL,
    source   VARCHAR(32) NOT NULL,
    period   VARCHAR(10) NOT NULL,
    used     BIGINT NOT NULL,
    PRIMARY KEY (owner_id, source, period)
);
