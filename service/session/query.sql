-- A duplicate says that the login code was used before.
-- name: AddSession :exec
INSERT INTO session (id, member_id, app, code_hash, request_id, created_at, expires_at, ended_at, reason)
VALUES (sqlc.arg(id), sqlc.arg(member_id), sqlc.arg(app), sqlc.arg(code_hash), sqlc.arg(request_id), sqlc.arg(created_at), sqlc.arg(expires_at), 0, '');

-- name: SessionByCode :one
SELECT id, member_id, app, request_id, created_at, ended_at FROM session WHERE code_hash = sqlc.arg(code_hash);

-- name: SessionOf :one
SELECT id, member_id, app, expires_at, ended_at FROM session WHERE id = sqlc.arg(id);

-- Holds the row of a session that lives until the transaction ends. No row changes
-- when it has ended.
-- name: Prolong :execrows
UPDATE session SET expires_at = sqlc.arg(expires_at) WHERE id = sqlc.arg(id) AND ended_at = 0;

-- No row changes when it has ended before.
-- name: EndSession :execrows
UPDATE session SET ended_at = sqlc.arg(ended_at), reason = sqlc.arg(reason) WHERE id = sqlc.arg(id) AND ended_at = 0;

-- name: EndSessionsOf :execrows
UPDATE session SET ended_at = sqlc.arg(ended_at), reason = sqlc.arg(reason) WHERE member_id = sqlc.arg(member_id) AND ended_at = 0;

-- Ended at or after an instant, oldest first, from a cursor on.
-- name: EndedSince :many
SELECT id, ended_at FROM session
WHERE ended_at > sqlc.arg(since) OR (ended_at = sqlc.arg(at_since) AND id > sqlc.arg(after_id))
ORDER BY ended_at, id LIMIT ?;

-- name: AddRefresh :exec
INSERT INTO session_refresh (token_hash, session_id, parent_hash, used_by, used_at, expires_at)
VALUES (sqlc.arg(token_hash), sqlc.arg(session_id), sqlc.arg(parent_hash), '', 0, sqlc.arg(expires_at));

-- name: RefreshOf :one
SELECT token_hash, session_id, used_by, used_at, expires_at FROM session_refresh WHERE token_hash = sqlc.arg(token_hash);

-- The child of a token, of which there is at most one that was not used.
-- name: UnusedRefresh :one
SELECT token_hash, parent_hash FROM session_refresh WHERE session_id = sqlc.arg(session_id) AND used_at = 0 LIMIT 1;

-- No row changes when the token was used before.
-- name: UseRefresh :execrows
UPDATE session_refresh SET used_at = sqlc.arg(used_at), used_by = sqlc.arg(used_by) WHERE token_hash = sqlc.arg(token_hash) AND used_at = 0;

-- name: ExpiredSessions :many
SELECT id FROM session WHERE expires_at < sqlc.arg(before) LIMIT ?;

-- name: PurgeRefreshes :exec
DELETE FROM session_refresh WHERE session_id IN (sqlc.slice(ids));

-- name: PurgeSessions :execrows
DELETE FROM session WHERE id IN (sqlc.slice(ids)) AND expires_at < sqlc.arg(before);

-- name: SessionsOf :many
SELECT app, created_at, expires_at, ended_at, reason FROM session WHERE member_id = sqlc.arg(member_id) ORDER BY id DESC LIMIT ?;
