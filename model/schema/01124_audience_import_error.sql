-- +goose Up
CREATE TABLE audience_import_error (
    import_id BIGINT NOT NULL,
    line      BIGINT NOT NULL,
    detail    VARCHAR(255) NOT NULL,
    PRIMARY KEY (import_id, line)
);
