-- Statements of payouts. Each is repeated as it is when its transaction lost a
-- deadlock; each change names the states that it may come from.

-- name: Payout :one
SELECT * FROM payout WHERE pot_id = ?;

-- Payouts that nothing was begun for.
-- name: DueNew :many
SELECT * FROM payout
WHERE state = sqlc.arg(state) AND (next_at IS NULL OR next_at <= sqlc.arg(now))
ORDER BY next_at, pot_id LIMIT ?;

-- No row changes when the payout is in another state.
-- name: MovePayout :execrows
UPDATE payout SET state = sqlc.arg(state), held_why = sqlc.arg(why), updated_at = sqlc.arg(now)
WHERE pot_id = sqlc.arg(pot_id) AND state = sqlc.arg(from_state);

-- name: DelayPayout :execrows
UPDATE payout SET next_at = sqlc.arg(next_at), held_why = sqlc.arg(why), updated_at = sqlc.arg(now)
WHERE pot_id = sqlc.arg(pot_id) AND state = sqlc.arg(from_state);

-- Those of some winners that wait for a reason are looked at again.
-- name: HastenPayouts :exec
UPDATE payout SET next_at = sqlc.arg(next_at)
WHERE member_id IN (sqlc.slice(winners)) AND state IN ('created', 'approved') AND held_why = sqlc.arg(why);

-- A second attempt beside one that may succeed meets a unique key.
-- name: AddAttempt :exec
INSERT INTO payout_attempt (pot_id, n, bill_no, body, body_hash, state, active, again, tries, lease_token, next_at, receipt, why, checked_at, created_at, updated_at)
VALUES (sqlc.arg(pot_id), sqlc.arg(n), sqlc.arg(bill_no), sqlc.arg(body), sqlc.arg(body_hash), 'ready', 1, sqlc.arg(again), 0, '', sqlc.arg(created_at), '', '', 0, sqlc.arg(created_at), sqlc.arg(created_at));

-- name: Attempts :many
SELECT * FROM payout_attempt WHERE pot_id = ? ORDER BY n;

-- Attempts about which something is to be done: nobody holds them, or whoever did
-- has died.
-- name: DueAttempts :many
SELECT * FROM payout_attempt
WHERE next_at <= sqlc.arg(now) ORDER BY next_at, pot_id LIMIT ?;

-- One row when the lease is won.
-- name: LeaseAttempt :execrows
UPDATE payout_attempt
SET state = 'submitting', again = sqlc.arg(again), tries = sqlc.arg(tries), lease_token = sqlc.arg(token), next_at = sqlc.arg(lease_until), updated_at = sqlc.arg(now)
WHERE pot_id = sqlc.arg(pot_id) AND n = sqlc.arg(n) AND state = sqlc.arg(from_state) AND tries = sqlc.arg(from_tries) AND next_at <= sqlc.arg(now);

-- An attempt whose body cannot be read now.
-- name: DelayAttempt :exec
UPDATE payout_attempt SET next_at = sqlc.arg(next_at) WHERE pot_id = sqlc.arg(pot_id) AND n = sqlc.arg(n) AND next_at = sqlc.arg(was_at);

-- What became of a try. No row changes when the lease went to somebody else.
-- name: SettleAttempt :execrows
UPDATE payout_attempt
SET state = sqlc.arg(state), active = sqlc.narg(active), again = sqlc.arg(again), next_at = sqlc.arg(next_at), receipt = sqlc.arg(receipt), why = sqlc.arg(why), updated_at = sqlc.arg(now)
WHERE pot_id = sqlc.arg(pot_id) AND n = sqlc.arg(n) AND state = 'submitting' AND lease_token = sqlc.arg(token);

-- A person says what became of an attempt that nobody is at right now, and that nothing
-- was done about since before.
-- name: DecideAttempt :execrows
UPDATE payout_attempt
SET state = sqlc.arg(state), active = sqlc.narg(active), next_at = sqlc.arg(next_at), why = sqlc.arg(why), updated_at = sqlc.arg(now)
WHERE pot_id = sqlc.arg(pot_id) AND active = 1 AND state IN ('processing', 'unknown', 'frozen', 'ready') AND updated_at <= sqlc.arg(before);

-- name: AddReview :exec
INSERT INTO payout_review (id, pot_id, decision, decided_by, why, decided_at) VALUES (?, ?, ?, ?, ?, ?);

-- name: InState :many
SELECT * FROM payout
WHERE state = sqlc.arg(state) AND pot_id > sqlc.arg(after) ORDER BY pot_id LIMIT ?;

-- name: PayoutsAfter :many
SELECT * FROM payout
WHERE pot_id > sqlc.arg(after) ORDER BY pot_id LIMIT ?;

-- name: PayoutsByPot :many
SELECT * FROM payout
WHERE pot_id IN (sqlc.slice(pots));

-- name: CountStates :many
SELECT state, COUNT(*) AS total, CAST(COALESCE(SUM(CASE WHEN created_at < sqlc.arg(overdue_before) THEN 1 ELSE 0 END), 0) AS SIGNED) AS overdue
FROM payout WHERE state IN ('created', 'held', 'approved', 'paying', 'failed', 'frozen') GROUP BY state;

-- Attempts with an end that was not compared with the carrier's book yet.
-- name: Unchecked :many
SELECT * FROM payout_attempt
WHERE checked_at = 0 AND updated_at < sqlc.arg(updated_before) AND state IN ('succeeded', 'failed')
  AND (updated_at > sqlc.arg(after_at) OR (updated_at = sqlc.arg(after_at) AND pot_id > sqlc.arg(after_pot)))
ORDER BY updated_at, pot_id LIMIT ?;

-- name: Checked :exec
UPDATE payout_attempt SET checked_at = sqlc.arg(now) WHERE pot_id = sqlc.arg(pot_id) AND n = sqlc.arg(n);

-- Bills of some winners that ended and were compared with the carrier's book: nobody
-- needs what they asked for any more.
-- name: NeedlessBills :many
SELECT a.pot_id, a.n FROM payout p JOIN payout_attempt a ON a.pot_id = p.pot_id
WHERE p.member_id IN (sqlc.slice('winners')) AND a.body <> '' AND a.checked_at <> 0 AND a.state IN ('succeeded', 'failed') LIMIT ?;

-- name: ShredBill :exec
UPDATE payout_attempt SET body = '', body_hash = '' WHERE pot_id = ? AND n = ? AND checked_at <> 0;
