-- A second row of one topic and request meets the unique key.
-- name: Insert :exec
INSERT INTO outbox (id, topic, request_id, payload, attempts, next_at, lease_token, leased_until, done_at, error, created_at)
VALUES (?, ?, ?, ?, 0, ?, '', 0, 0, '', ?);

-- The next topic of which a promise is not kept yet: one seek.
-- name: NextTopic :one
SELECT topic FROM outbox WHERE done_at = 0 AND topic > ? ORDER BY topic LIMIT 1;

-- Rows of a topic that are due and that nobody holds, oldest first.
-- name: Due :many
SELECT id FROM outbox
WHERE done_at = 0 AND topic = sqlc.arg(topic) AND next_at <= sqlc.arg(now) AND leased_until <= sqlc.arg(free_at)
ORDER BY next_at, id
LIMIT ?;

-- One row when the lease is won; it is repeated safely, for a lease that is held does not
-- match. Who listed it before another failed with it waits as that one does.
-- name: Lease :execrows
UPDATE outbox
SET lease_token = sqlc.arg(token), leased_until = sqlc.arg(lease_end), attempts = attempts + 1
WHERE id = sqlc.arg(id) AND done_at = 0 AND next_at <= sqlc.arg(due) AND leased_until <= sqlc.arg(now);

-- name: Held :one
SELECT topic, request_id, payload, attempts FROM outbox WHERE id = ? AND lease_token = ?;

-- No row changes when the lease was lost meanwhile.
-- name: Done :execrows
UPDATE outbox SET done_at = sqlc.arg(now), error = sqlc.arg(error), leased_until = 0
WHERE id = sqlc.arg(id) AND lease_token = sqlc.arg(token) AND done_at = 0;

-- name: Again :execrows
UPDATE outbox SET next_at = sqlc.arg(next_at), error = sqlc.arg(error), leased_until = 0
WHERE id = sqlc.arg(id) AND lease_token = sqlc.arg(token) AND done_at = 0;

-- name: Waiting :one
SELECT COUNT(*) FROM outbox WHERE done_at = 0;

-- The ids of kept promises that are old enough to be forgotten.
-- name: Old :many
SELECT id FROM outbox WHERE done_at > 0 AND done_at < sqlc.arg(done_before) ORDER BY done_at LIMIT ?;

-- name: Forget :exec
DELETE FROM outbox WHERE id IN (sqlc.slice(ids));
