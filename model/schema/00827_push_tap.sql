-- +goose Up
-- Who came by the message of somebody whose name in both apps WeChat has not told yet:
-- when the two turn out to be one member, the tap is the recipient's.
CREATE TABLE push_tap (
    member_id   BIGINT NOT NULL,
    delivery_id BIGINT NOT NULL,
    tapped_at   BIGINT NOT NULL,
    PRIMARY KEY (member_id, delivery_id)
);
