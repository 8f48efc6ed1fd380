-- A second one of the same campaign that waits or runs meets the unique key.
-- name: InsertRehearsal :exec
INSERT INTO campaign_rehearsal (id, campaign_id, version, slot, state, why, tap, open_pot, help, started_by, created_at, began_at, ended_at, reached_at, messages, lease_token, leased_until, result)
VALUES (sqlc.arg(id), sqlc.arg(campaign_id), sqlc.arg(version), 0, 'waiting', '', sqlc.arg(tap), sqlc.arg(open_pot), sqlc.arg(help), sqlc.arg(started_by), sqlc.arg(now), 0, 0, 0, 0, '', 0, '');

-- name: Rehearsal :one
SELECT * FROM campaign_rehearsal WHERE id = ?;

-- name: RehearsalsBefore :many
SELECT id, campaign_id, version, state, why, tap, open_pot, help, started_by, created_at, began_at, ended_at, reached_at, messages FROM campaign_rehearsal
WHERE campaign_id = sqlc.arg(campaign_id) AND id < sqlc.arg(before) ORDER BY id DESC LIMIT ?;

-- name: LastRehearsal :one
SELECT id, campaign_id, version, state, why, tap, open_pot, help, started_by, created_at, began_at, ended_at, reached_at, messages FROM campaign_rehearsal
WHERE campaign_id = sqlc.arg(campaign_id) AND version = sqlc.arg(version) ORDER BY id DESC LIMIT 1;

-- name: WaitingRehearsals :many
SELECT id FROM campaign_rehearsal WHERE state = 'waiting' ORDER BY id LIMIT ?;

-- No row when somebody else was quicker.
-- name: BeginRehearsal :execrows
UPDATE campaign_rehearsal SET state = 'running', began_at = sqlc.arg(now), lease_token = sqlc.arg(token), leased_until = sqlc.arg(leased_until)
WHERE id = sqlc.arg(id) AND state = 'waiting';

-- No row when it was given up meanwhile.
-- name: KeepRehearsal :execrows
UPDATE campaign_rehearsal SET reached_at = sqlc.arg(reached_at), messages = sqlc.arg(messages), leased_until = sqlc.arg(leased_until)
WHERE id = sqlc.arg(id) AND state = 'running' AND lease_token = sqlc.arg(token);

-- name: EndRehearsal :execrows
UPDATE campaign_rehearsal SET state = sqlc.arg(state), why = sqlc.arg(why), slot = id, ended_at = sqlc.arg(now), result = sqlc.arg(result)
WHERE id = sqlc.arg(id) AND state = 'running' AND lease_token = sqlc.arg(token);

-- Whoever runs it sees that it is no longer his. No row when it is over.
-- name: CancelRehearsal :execrows
UPDATE campaign_rehearsal SET state = 'cancelled', slot = id, ended_at = sqlc.arg(now), lease_token = '', leased_until = 0
WHERE id = sqlc.arg(id) AND state IN ('waiting', 'running');

-- Whoever ran it died.
-- name: CutRehearsals :execrows
UPDATE campaign_rehearsal SET state = 'cut', why = sqlc.arg(why), slot = id, ended_at = sqlc.arg(now)
WHERE state = 'running' AND leased_until < sqlc.arg(lease_before);

-- name: DropRehearsals :exec
DELETE FROM campaign_rehearsal WHERE campaign_id = sqlc.arg(campaign_id) AND id <= sqlc.arg(last);
