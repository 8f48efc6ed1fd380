-- Every change of a rule raises the version in the same transaction, and raises it
-- first: the row's lock puts the changes in order.
-- name: RaiseVersion :exec
UPDATE chat_rule_version SET version = version + 1 WHERE id = 1;

-- name: Version :one
SELECT version FROM chat_rule_version WHERE id = 1;

-- name: CountRules :one
SELECT COUNT(*) FROM chat_rule;

-- A repeat with the same request id meets the unique index.
-- name: AddRule :exec
INSERT INTO chat_rule (id, how, pattern, priority, starts_at, ends_at, enabled, content, request_id, created_at, updated_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- No row means that the rule is gone.
-- name: ChangeRule :execrows
UPDATE chat_rule
SET how = ?, pattern = ?, priority = ?, starts_at = ?, ends_at = ?, enabled = ?, content = ?, updated_at = ?
WHERE id = ?;

-- name: DropRule :execrows
DELETE FROM chat_rule WHERE id = ?;

-- name: RuleByID :one
SELECT * FROM chat_rule WHERE id = ?;

-- name: RuleByRequest :one
SELECT * FROM chat_rule WHERE request_id = ?;

-- Keyset paging: the caller passes the last id that it has, 0 at first.
-- name: RulesAfter :many
SELECT * FROM chat_rule WHERE id > ? ORDER BY id LIMIT ?;

-- A repeat with the same request id meets the unique index.
-- name: AddFeedback :exec
INSERT INTO chat_feedback (id, member_id, message, request_id, created_at) VALUES (?, ?, ?, ?, ?);

-- name: FeedbackByRequest :one
SELECT * FROM chat_feedback WHERE request_id = ?;

-- Newest first; the caller passes the last id that it has, the largest number at first.
-- name: FeedbackBefore :many
SELECT * FROM chat_feedback WHERE id < ? ORDER BY id DESC LIMIT ?;
