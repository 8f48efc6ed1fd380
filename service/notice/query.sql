-- A duplicate says that it was told before.
-- name: Add :exec
INSERT INTO notice (id, member_id, topic, request_id, body, read_at, created_at)
VALUES (sqlc.arg(id), sqlc.arg(member_id), sqlc.arg(topic), sqlc.arg(request_id), sqlc.arg(body), 0, sqlc.arg(created_at));

-- name: Page :many
SELECT id, topic, body, read_at, created_at FROM notice
WHERE member_id = sqlc.arg(member_id) AND id < sqlc.arg(before) ORDER BY id DESC LIMIT ?;

-- name: MarkRead :execrows
UPDATE notice SET read_at = sqlc.arg(read_at) WHERE member_id = sqlc.arg(member_id) AND read_at = 0 AND id <= sqlc.arg(up_to);

-- name: Move :exec
UPDATE notice SET member_id = sqlc.arg(into_id) WHERE member_id = sqlc.arg(from_id);

-- name: Shred :exec
DELETE FROM notice WHERE member_id = sqlc.arg(member_id);

-- name: Old :many
SELECT id FROM notice WHERE created_at < sqlc.arg(before) LIMIT ?;

-- name: Drop :execrows
DELETE FROM notice WHERE id IN (sqlc.slice(ids));
