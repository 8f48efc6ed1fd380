-- +goose Up
-- WeChat's id of a message, or of a mass message that went to many.
CREATE TABLE push_receipt (
    msg_id      VARCHAR(32) NOT NULL,
    delivery_id BIGINT NOT NULL,
    PRIMARY KEY (msg_id, delivery_id)
);
