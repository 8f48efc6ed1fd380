-- +goose Up
-- What is left of a right changes with every message, and the entry moved with it.
-- SQLite wants no ON, the others do.
DROP INDEX push_entitlement_spent /*! ON push_entitlement */;
