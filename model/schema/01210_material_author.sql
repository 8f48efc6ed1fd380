-- +goose Up
-- Who wrote a version, in whole or in part: none of them publishes it.
CREATE TABLE material_author (
    version_id  BIGINT NOT NULL,
    operator_id BIGINT NOT NULL,
    PRIMARY KEY (version_id, operator_id)
);
