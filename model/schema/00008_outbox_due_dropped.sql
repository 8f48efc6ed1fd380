-- +goose Up
-- The lanes' index begins as it did.
DROP INDEX outbox_due /*! ON outbox */;
