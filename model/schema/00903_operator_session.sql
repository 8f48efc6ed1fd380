-- +goose Up
-- Who is signed in; the token itself is not kept.
CREATE TABLE operator_session (
    token_hash  VARCHAR(43) NOT NULL PRIMARY KEY,
    operator_id BIGINT NOT NULL,
    created_at  BIGINT NOT NULL,
    seen_at     BIGINT NOT NULL,
    expires_at  BIGINT NOT NULL
);
