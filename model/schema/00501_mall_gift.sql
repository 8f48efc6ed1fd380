-- +goose Up
-- What points buy. version changes with every edit, so that nobody pays a price that
-- he was not shown. reserved counts what is promised or handed over.
CREATE TABLE mall_gift (
    id           BIGINT NOT NULL PRIMARY KEY,
    category     VARCHAR(32) NOT NULL,
    kind         VARCHAR(12) NOT NULL,
    title        VARCHAR(64) NOT NULL,
    description  VARCHAR(1000) NOT NULL,
    picture      VARCHAR(255) NOT NULL,
    points       BIGINT NOT NULL,
    fen          BIGINT NOT NULL,
    tier         INT NOT NULL,
    each_limit   INT NOT NULL,
    total        BIGINT NOT NULL,
    reserved     BIGINT NOT NULL,
    starts_at    BIGINT NOT NULL,
    ends_at      BIGINT NOT NULL,
    cancellable  BOOLEAN NOT NULL,
    extend_days  INT NOT NULL,
    spec         VARCHAR(1000) NOT NULL,
    state        VARCHAR(8) NOT NULL,
    position     INT NOT NULL,
    version      BIGINT NOT NULL,
    created_at   BIGINT NOT NULL,
    updated_at   BIGINT NOT NULL
);
