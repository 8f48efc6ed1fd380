-- +goose Up
-- media_id is empty until WeChat has taken the picture.
CREATE TABLE material_picture (
    id         BIGINT NOT NULL PRIMARY KEY,
    sha256     VARCHAR(64) NOT NULL,
    format     VARCHAR(8) NOT NULL,
    width      INT NOT NULL,
    height     INT NOT NULL,
    size       INT NOT NULL,
    content    MEDIUMBLOB NOT NULL,
    media_id   VARCHAR(128) NOT NULL,
    url        VARCHAR(1024) NOT NULL,
    created_by BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);
