-- +goose Up
CREATE UNIQUE INDEX audience_import_hash ON audience_import (file_hash);
