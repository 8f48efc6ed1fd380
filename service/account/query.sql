-- The last value of a number's kind, sealed.
-- name: Snapshot :one
SELECT sealed, as_of FROM account_snapshot
WHERE phone_key = sqlc.arg(phone_key) AND kind = sqlc.arg(kind);

-- Replaces the value unless a newer one stands; no row changes then, or when there
-- is none yet.
-- name: ReplaceSnapshot :execrows
UPDATE account_snapshot
SET sealed = sqlc.arg(sealed), as_of = sqlc.arg(as_of), saved_at = sqlc.arg(saved_at)
WHERE phone_key = sqlc.arg(phone_key) AND kind = sqlc.arg(kind) AND as_of <= sqlc.arg(not_after);

-- A duplicate says that another replica was first, or has a newer value.
-- name: InsertSnapshot :exec
INSERT INTO account_snapshot (phone_key, kind, sealed, as_of, saved_at)
VALUES (sqlc.arg(phone_key), sqlc.arg(kind), sqlc.arg(sealed), sqlc.arg(as_of), sqlc.arg(saved_at));

-- Everything that is kept of a number.
-- name: EraseSnapshots :execrows
DELETE FROM account_snapshot WHERE phone_key = sqlc.arg(phone_key);

-- The age up to which one statement deletes some rows: a DELETE with a LIMIT is not known
-- to every engine.
-- name: SnapshotEdge :one
SELECT saved_at FROM account_snapshot
WHERE saved_at < sqlc.arg(saved_before) ORDER BY saved_at LIMIT 1 OFFSET ?;

-- name: DeleteOldSnapshots :execrows
DELETE FROM account_snapshot WHERE saved_at <= sqlc.arg(edge);

-- Replaces a day's sample unless a newer one stands.
-- name: ReplaceDay :execrows
UPDATE account_usage_day SET sealed = sqlc.arg(sealed), sampled_at = sqlc.arg(sampled_at)
WHERE phone_key = sqlc.arg(phone_key) AND day = sqlc.arg(day) AND sampled_at <= sqlc.arg(not_after);

-- A duplicate says that a newer one stands.
-- name: InsertDay :exec
INSERT INTO account_usage_day (phone_key, day, sealed, sampled_at)
VALUES (sqlc.arg(phone_key), sqlc.arg(day), sqlc.arg(sealed), sqlc.arg(sampled_at));

-- name: Days :many
SELECT day, sealed, sampled_at FROM account_usage_day
WHERE phone_key = sqlc.arg(phone_key) AND day >= sqlc.arg(since) ORDER BY day LIMIT ?;

-- name: EraseDays :execrows
DELETE FROM account_usage_day WHERE phone_key = sqlc.arg(phone_key);

-- name: OldDays :many
SELECT phone_key, day FROM account_usage_day WHERE day < sqlc.arg(before) LIMIT ?;

-- name: DeleteDays :execrows
DELETE FROM account_usage_day WHERE phone_key IN (sqlc.slice('phone_keys')) AND day = sqlc.arg(day);
