-- +goose Up
-- The index with the ids begins as it did.
DROP INDEX pot_due /*! ON pot */;
