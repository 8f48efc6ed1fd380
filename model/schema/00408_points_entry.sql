-- +goose Up
-- One amount on one account, and for the accounts of members the lot that it is
-- of: these are the consumption rows of the lots. Rows are only ever inserted.
CREATE TABLE points_entry (
    posting_id BIGINT NOT NULL,
    account    VARCHAR(12) NOT NULL,
    account_id BIGINT NOT NULL,
    lot_id     BIGINT NOT NULL,
    amount     BIGINT NOT NULL,
    PRIMARY KEY (posting_id, account, account_id, lot_id)
);
