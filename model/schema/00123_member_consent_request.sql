-- +goose Up
CREATE UNIQUE INDEX member_consent_request ON member_consent_change (member_id, request_id, purpose);
