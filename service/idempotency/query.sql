-- A duplicate says that the request was seen before.
-- name: Begin :exec
INSERT INTO idempotency (scope, request_id, member_id, body_hash, token, leased_until, status, answer, created_at)
VALUES (sqlc.arg(scope), sqlc.arg(request_id), sqlc.arg(member_id), sqlc.arg(body_hash), sqlc.arg(token), sqlc.arg(leased_until), 0, '', sqlc.arg(created_at));

-- name: Seen :one
SELECT body_hash, leased_until, status, answer, created_at FROM idempotency
WHERE scope = sqlc.arg(scope) AND request_id = sqlc.arg(request_id);

-- Takes over a request whose runner is gone; no row changes when another was faster.
-- name: TakeOver :execrows
UPDATE idempotency SET token = sqlc.arg(token), leased_until = sqlc.arg(leased_until)
WHERE scope = sqlc.arg(scope) AND request_id = sqlc.arg(request_id) AND status = 0 AND leased_until < sqlc.arg(now_at);

-- Only the runner that holds the lease answers.
-- name: Answer :execrows
UPDATE idempotency SET status = sqlc.arg(status), answer = sqlc.arg(answer)
WHERE scope = sqlc.arg(scope) AND request_id = sqlc.arg(request_id) AND token = sqlc.arg(token) AND status = 0;

-- Lets the request be tried anew.
-- name: Release :exec
DELETE FROM idempotency
WHERE scope = sqlc.arg(scope) AND request_id = sqlc.arg(request_id) AND token = sqlc.arg(token) AND status = 0;

-- name: Drop :exec
DELETE FROM idempotency
WHERE scope = sqlc.arg(scope) AND request_id = sqlc.arg(request_id) AND created_at < sqlc.arg(before);

-- The age up to which one statement deletes some rows, by the index of the age.
-- name: Edge :one
SELECT created_at FROM idempotency WHERE created_at < sqlc.arg(before) ORDER BY created_at LIMIT 1 OFFSET ?;

-- name: DropOld :execrows
DELETE FROM idempotency WHERE created_at <= sqlc.arg(edge);

-- What a member was answered; an answer without a body tells nothing of him and stays.
-- name: Forget :execrows
DELETE FROM idempotency WHERE member_id = sqlc.arg(member_id) AND answer <> '';
