-- +goose Up
CREATE TABLE pot (
    id          BIGINT NOT NULL PRIMARY KEY,
    game_id     BIGINT NOT NULL,
    owner_id    BIGINT NOT NULL,
    nth         INT NOT NULL,
    request_id  VARCHAR(64) NOT NULL,
    n           INT NOT NULL,
    target      BIGINT NOT NULL,
    split       VARCHAR(16) NOT NULL,
    slice       INT NOT NULL,
    seed_sealed VARCHAR(255) NOT NULL,
    commitment  VARCHAR(64) NOT NULL,
    state       VARCHAR(8) NOT NULL,
    ends_at     BIGINT NOT NULL,
    created_at  BIGINT NOT NULL,
    done_at     BIGINT NOT NULL,
    helps       INT NOT NULL,
    won         BIGINT NOT NULL,
    took        BIGINT NOT NULL
);
