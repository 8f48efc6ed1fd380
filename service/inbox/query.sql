-- Every change names the state and the lease that it comes from; 0 rows tell that
-- somebody else has the message by now. The states are in states.go.

-- name: Insert :exec
INSERT INTO inbox_reply (message_key, app, openid, state, inbound, content, attempts, lease_token, leased_until, error, created_at, updated_at)
VALUES (?, ?, ?, ?, ?, ?, 0, ?, ?, '', ?, ?);

-- name: Find :one
SELECT state, content, lease_token, leased_until FROM inbox_reply WHERE message_key = ?;

-- A running message whose process is gone: another takes it over.
-- name: TakeOver :execrows
UPDATE inbox_reply SET lease_token = sqlc.arg(token), leased_until = sqlc.arg(leased_until), updated_at = sqlc.arg(now)
WHERE message_key = sqlc.arg(message_key) AND state = 'running' AND leased_until <= sqlc.arg(now);

-- name: Renew :execrows
UPDATE inbox_reply SET leased_until = sqlc.arg(leased_until), updated_at = sqlc.arg(now)
WHERE message_key = sqlc.arg(message_key) AND state = 'running' AND lease_token = sqlc.arg(token);

-- name: Answer :execrows
UPDATE inbox_reply SET state = 'answered', content = sqlc.arg(content), updated_at = sqlc.arg(now)
WHERE message_key = sqlc.arg(message_key) AND state = 'running' AND lease_token = sqlc.arg(token);

-- The answer of a running message is owed from now on.
-- name: Promise :execrows
UPDATE inbox_reply SET state = 'pending', inbound = sqlc.arg(inbound), content = sqlc.arg(content), leased_until = sqlc.arg(leased_until), updated_at = sqlc.arg(now)
WHERE message_key = sqlc.arg(message_key) AND state = 'running' AND lease_token = sqlc.arg(token);

-- name: Due :many
SELECT message_key FROM inbox_reply WHERE state = 'pending' AND leased_until <= ? ORDER BY leased_until LIMIT ?;

-- An owed answer whose process is gone, or whose time to be tried again has come.
-- name: Claim :execrows
UPDATE inbox_reply SET lease_token = sqlc.arg(token), leased_until = sqlc.arg(leased_until), attempts = attempts + 1, updated_at = sqlc.arg(now)
WHERE message_key = sqlc.arg(message_key) AND state = 'pending' AND leased_until <= sqlc.arg(now);

-- name: Load :one
SELECT openid, inbound, content, attempts FROM inbox_reply WHERE message_key = ? AND lease_token = ?;

-- name: BeginSend :execrows
UPDATE inbox_reply SET state = 'sending', content = sqlc.arg(content), leased_until = sqlc.arg(leased_until), updated_at = sqlc.arg(now)
WHERE message_key = sqlc.arg(message_key) AND state = 'pending' AND lease_token = sqlc.arg(token);

-- name: EndSend :execrows
UPDATE inbox_reply SET state = sqlc.arg(state), leased_until = sqlc.arg(leased_until), error = sqlc.arg(cause), updated_at = sqlc.arg(now)
WHERE message_key = sqlc.arg(message_key) AND state = 'sending' AND lease_token = sqlc.arg(token);

-- name: GiveUp :execrows
UPDATE inbox_reply SET state = sqlc.arg(state), error = sqlc.arg(cause), updated_at = sqlc.arg(now)
WHERE message_key = sqlc.arg(message_key) AND state = 'pending' AND lease_token = sqlc.arg(token);

-- Its logic failed, and runs again when the lease has ended.
-- name: Postpone :execrows
UPDATE inbox_reply SET leased_until = sqlc.arg(leased_until), updated_at = sqlc.arg(now)
WHERE message_key = sqlc.arg(message_key) AND state = 'pending' AND lease_token = sqlc.arg(token);

-- A process that died while it sent: whether the user got it is not known.
-- name: Lose :execrows
UPDATE inbox_reply SET state = 'unknown', error = 'inbox.died', updated_at = sqlc.arg(now)
WHERE state = 'sending' AND leased_until <= sqlc.arg(now);

-- name: Old :many
SELECT message_key FROM inbox_reply WHERE updated_at < ? AND state <> 'pending' AND state <> 'sending' LIMIT ?;

-- name: Delete :execrows
DELETE FROM inbox_reply WHERE message_key IN (sqlc.slice(message_keys));
