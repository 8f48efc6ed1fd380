-- +goose Up
CREATE UNIQUE INDEX payout_attempt_bill ON payout_attempt (bill_no);
