-- +goose Up
-- That a product of the carrier's was bought on a day; how often and for how much is among
-- the deeds.
CREATE TABLE audience_bought (
    member_id BIGINT NOT NULL,
    product   VARCHAR(64) NOT NULL,
    day       INT NOT NULL,
    PRIMARY KEY (member_id, product, day)
);
