-- +goose Up
-- The header of a posting; its entries sum to zero. Rows are only ever inserted.
CREATE TABLE points_posting (
    id          BIGINT NOT NULL PRIMARY KEY,
    member_id   BIGINT NOT NULL,
    kind        VARCHAR(16) NOT NULL,
    amount      BIGINT NOT NULL,
    source      VARCHAR(32) NOT NULL,
    ref_type    VARCHAR(32),
    ref_id      VARCHAR(64),
    reason      VARCHAR(255) NOT NULL,
    operator_id BIGINT NOT NULL,
    created_at  BIGINT NOT NULL
);
