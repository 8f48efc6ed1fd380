-- +goose Up
CREATE INDEX redpacket_join_member ON redpacket_join (member_id);
