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

-- No row means that the rule is gone, or not of that version any more.
-- name: ChangeRule :execrows
UPDATE chat_rule
SET how = ?, pattern = ?, priority = ?, starts_at = ?, ends_at = ?, enabled = ?, content = ?, updated_at = ?, version = version + 1
WHERE id = ? AND version = ?;

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
SELECT f.id, f.member_id, f.message, f.created_at, d.operator_id, d.note, d.done_at
FROM chat_feedback f LEFT JOIN chat_feedback_done d ON d.feedback_id = f.id
WHERE f.id < ? ORDER BY f.id DESC LIMIT ?;

-- The same without what somebody took care of.
-- name: OpenFeedbackBefore :many
SELECT f.id, f.member_id, f.message, f.created_at FROM chat_feedback f
WHERE f.id < ? AND NOT EXISTS (SELECT 1 FROM chat_feedback_done d WHERE d.feedback_id = f.id) ORDER BY f.id DESC LIMIT ?;

-- name: FeedbackIsThere :one
SELECT COUNT(*) FROM chat_feedback WHERE id = ?;

-- name: FeedbackTeller :one
SELECT member_id FROM chat_feedback WHERE id = ?;

-- Who comes second meets the primary key.
-- name: FinishFeedback :exec
INSERT INTO chat_feedback_done (feedback_id, operator_id, note, done_at) VALUES (?, ?, ?, ?);

-- name: FeedbackOf :many
SELECT f.id, f.member_id, f.message, f.created_at, d.operator_id, d.note, d.done_at
FROM chat_feedback f LEFT JOIN chat_feedback_done d ON d.feedback_id = f.id
WHERE f.member_id = ? ORDER BY f.id DESC LIMIT ?;

-- name: MoveFeedback :exec
UPDATE chat_feedback SET member_id = sqlc.arg(survivor) WHERE member_id = sqlc.arg(absorbed);

-- name: ForgetRemarks :exec
DELETE FROM chat_feedback_done WHERE feedback_id IN (SELECT id FROM chat_feedback WHERE member_id = ?);

-- name: ForgetFeedback :exec
DELETE FROM chat_feedback WHERE member_id = ?;
