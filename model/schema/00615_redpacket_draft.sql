-- +goose Up
-- A game that waits for somebody else's approval. On approval the row goes and the
-- game of the same id is there; until then nobody can play it.
CREATE TABLE redpacket_draft (
    id         BIGINT NOT NULL PRIMARY KEY,
    rules      TEXT NOT NULL,
    revision   BIGINT NOT NULL,
    made_by    BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
