-- Statements of the points ledger. Each is repeated as it is when its transaction
-- lost a deadlock. Inserts of several rows and the two changes of several lots at
-- once are built in rows.go.

-- Answers a duplicate key when the request id was used before.
-- name: InsertRequest :exec
INSERT INTO points_request (scope, request_id, body_hash, posting_id, refusal, detail, created_at)
VALUES (sqlc.arg(scope), sqlc.arg(request_id), sqlc.arg(body_hash), sqlc.arg(posting_id), '', '', sqlc.arg(created_at));

-- name: Request :one
SELECT r.body_hash, r.posting_id, r.refusal, r.detail, CAST(COALESCE(p.amount, 0) AS SIGNED) AS amount
FROM points_request r LEFT JOIN points_posting p ON p.id = r.posting_id
WHERE r.scope = sqlc.arg(scope) AND r.request_id = sqlc.arg(request_id);

-- name: RefuseRequest :exec
UPDATE points_request SET refusal = sqlc.arg(refusal), detail = sqlc.arg(detail), posting_id = 0
WHERE scope = sqlc.arg(scope) AND request_id = sqlc.arg(request_id);

-- The repeat of a request of the absorbed member is still a repeat.
-- name: CopyRequests :exec
INSERT INTO points_request (scope, request_id, body_hash, posting_id, refusal, detail, created_at)
SELECT sqlc.arg(into_id), f.request_id, f.body_hash, f.posting_id, f.refusal, f.detail, f.created_at
FROM points_request f LEFT JOIN points_request i ON i.scope = sqlc.arg(into_id) AND i.request_id = f.request_id
WHERE f.scope = sqlc.arg(from_id) AND i.scope IS NULL;

-- name: InsertAccount :exec
INSERT INTO points_account (member_id, balance, pending, held, due_at, version, merged_into, closed_at, created_at)
VALUES (sqlc.arg(member_id), 0, 0, 0, sqlc.arg(due_at), 0, 0, 0, sqlc.arg(created_at));

-- The lock on all that is the member's; no row when he has no account or was
-- merged into another.
-- name: LockAccount :execrows
UPDATE points_account SET version = version + 1 WHERE member_id = sqlc.arg(member_id) AND merged_into = 0;

-- name: Account :one
SELECT member_id, balance, pending, held, due_at, merged_into, closed_at FROM points_account WHERE member_id = sqlc.arg(member_id);

-- The way of almost every spending: one statement locks, checks and takes. No row
-- changes when the balance is too small, when a lot expired or became active
-- meanwhile, or when the account is closed or merged.
-- name: TakeBalance :execrows
UPDATE points_account
SET balance = balance - sqlc.arg(price), held = held + sqlc.arg(hold), version = version + 1
WHERE member_id = sqlc.arg(member_id) AND balance >= sqlc.arg(price) AND due_at > sqlc.arg(now)
  AND merged_into = 0 AND closed_at = 0;

-- No row changes when a sum would fall below zero.
-- name: MoveAccount :execrows
UPDATE points_account
SET balance = balance + sqlc.arg(balance), pending = pending + sqlc.arg(pending), held = held + sqlc.arg(held),
    due_at = CASE WHEN due_at < sqlc.arg(due_at) THEN due_at ELSE sqlc.arg(due_at) END, version = version + 1
WHERE member_id = sqlc.arg(member_id) AND balance + sqlc.arg(balance) >= 0
  AND pending + sqlc.arg(pending) >= 0 AND held + sqlc.arg(held) >= 0;

-- name: SetDue :exec
UPDATE points_account SET due_at = sqlc.arg(due_at) WHERE member_id = sqlc.arg(member_id);

-- name: CloseAccount :exec
UPDATE points_account SET closed_at = sqlc.arg(closed_at) WHERE member_id = sqlc.arg(member_id);

-- name: MergeAccount :exec
UPDATE points_account SET merged_into = sqlc.arg(into_id), due_at = sqlc.arg(due_at) WHERE member_id = sqlc.arg(from_id);

-- Whoever was merged into the absorbed one is now merged into his successor, so
-- that the way is one step long for ever.
-- name: MergeEarlier :exec
UPDATE points_account SET merged_into = sqlc.arg(into_id) WHERE merged_into = sqlc.arg(from_id);

-- name: MergedMembers :many
SELECT member_id FROM points_account WHERE merged_into = sqlc.arg(member_id) ORDER BY member_id LIMIT ?;

-- name: DueAccounts :many
SELECT member_id, due_at FROM points_account
WHERE due_at <= sqlc.arg(now) AND due_at >= sqlc.arg(after_due)
  AND (due_at > sqlc.arg(after_due) OR (due_at = sqlc.arg(after_due) AND member_id > sqlc.arg(after_member)))
ORDER BY due_at, member_id LIMIT ?;

-- name: OpenLots :many
SELECT id, remaining, issued, source, active_at, expires_at FROM points_lot
WHERE open_member = sqlc.arg(member_id) AND expires_at >= sqlc.arg(after_expiry)
  AND (expires_at > sqlc.arg(after_expiry) OR (expires_at = sqlc.arg(after_expiry) AND id > sqlc.arg(after_id)))
ORDER BY expires_at, id LIMIT ?;

-- name: DueLots :many
SELECT id, remaining FROM points_lot
WHERE open_member = sqlc.arg(member_id) AND expires_at <= sqlc.arg(now)
ORDER BY expires_at, id LIMIT ?;

-- name: DuePending :many
SELECT id, remaining FROM points_lot
WHERE pending_member = sqlc.arg(member_id) AND active_at <= sqlc.arg(now)
ORDER BY active_at, id LIMIT ?;

-- name: PendingLots :many
SELECT id, remaining, issued, source, active_at, expires_at FROM points_lot
WHERE pending_member = sqlc.arg(member_id)
ORDER BY active_at, id LIMIT ?;

-- name: NextExpiry :one
SELECT expires_at FROM points_lot WHERE open_member = sqlc.arg(member_id) ORDER BY expires_at, id LIMIT 1;

-- name: NextActive :one
SELECT active_at FROM points_lot WHERE pending_member = sqlc.arg(member_id) ORDER BY active_at, id LIMIT 1;

-- name: InsertLot :exec
INSERT INTO points_lot (id, member_id, open_member, pending_member, issued, remaining, source, active_at, expires_at, posting_id, origin_id, created_at)
VALUES (sqlc.arg(id), sqlc.arg(member_id), sqlc.arg(open_member), sqlc.arg(pending_member), sqlc.arg(issued), sqlc.arg(remaining), sqlc.arg(source), sqlc.arg(active_at), sqlc.arg(expires_at), sqlc.arg(posting_id), sqlc.arg(origin_id), sqlc.arg(created_at));

-- name: OwnLots :exec
UPDATE points_lot
SET member_id = sqlc.arg(into_id),
    open_member = CASE WHEN open_member IS NULL THEN NULL ELSE sqlc.arg(into_open) END,
    pending_member = CASE WHEN pending_member IS NULL THEN NULL ELSE sqlc.arg(into_pending) END
WHERE member_id = sqlc.arg(from_id);

-- One side of a move of every open and pending lot of a member to another.
-- name: InsertJoinEntries :exec
INSERT INTO points_entry (posting_id, account, account_id, lot_id, amount)
SELECT sqlc.arg(posting_id), CASE WHEN l.open_member IS NULL THEN 'pending' ELSE 'member' END, sqlc.arg(account_id), l.id, l.remaining * sqlc.arg(sign)
FROM points_lot l WHERE l.member_id = sqlc.arg(from_id) AND l.remaining > 0;

-- Answers a duplicate key when the reference had a posting of this kind before.
-- name: InsertPosting :exec
INSERT INTO points_posting (id, member_id, kind, amount, source, ref_type, ref_id, reason, operator_id, created_at)
VALUES (sqlc.arg(id), sqlc.arg(member_id), sqlc.arg(kind), sqlc.arg(amount), sqlc.arg(source), sqlc.arg(ref_type), sqlc.arg(ref_id), sqlc.arg(reason), sqlc.arg(operator_id), sqlc.arg(created_at));

-- name: PostingOf :one
SELECT id, member_id, kind, amount, reason FROM points_posting
WHERE ref_type = sqlc.arg(ref_type) AND ref_id = sqlc.arg(ref_id) AND kind = sqlc.arg(kind);

-- name: Postings :many
SELECT id, kind, amount, source, ref_type, ref_id, reason, created_at FROM points_posting
WHERE member_id IN (sqlc.slice(members)) AND id < sqlc.arg(before)
ORDER BY id DESC LIMIT ?;

-- name: EntriesOf :many
SELECT e.posting_id, e.account, e.account_id, e.lot_id, e.amount, l.expires_at, l.member_id, l.source
FROM points_entry e JOIN points_lot l ON l.id = e.lot_id
WHERE e.posting_id IN (sqlc.slice(postings)) AND e.lot_id > 0
ORDER BY e.posting_id, l.expires_at, l.id;

-- name: InsertHold :exec
INSERT INTO points_hold (id, member_id, posting_id, amount, confirmed, remaining, state, until_at, created_at)
VALUES (sqlc.arg(id), sqlc.arg(member_id), sqlc.arg(posting_id), sqlc.arg(amount), 0, sqlc.arg(amount), 'open', sqlc.arg(until_at), sqlc.arg(created_at));

-- name: Hold :one
SELECT h.id, h.member_id, h.posting_id, h.amount, h.confirmed, h.remaining, h.state, h.until_at, p.reason
FROM points_hold h JOIN points_posting p ON p.id = h.posting_id WHERE h.id = sqlc.arg(id);

-- A hold's id is the id of the posting that made it.
-- name: ConfirmHold :execrows
UPDATE points_hold
SET confirmed = confirmed + sqlc.arg(amount), remaining = remaining - sqlc.arg(amount), state = sqlc.arg(state)
WHERE id = sqlc.arg(id) AND state = 'open' AND remaining >= sqlc.arg(amount);

-- name: VoidHold :execrows
UPDATE points_hold SET remaining = 0, state = 'voided'
WHERE id = sqlc.arg(id) AND state = 'open' AND remaining = sqlc.arg(remaining);

-- name: OwnHolds :exec
UPDATE points_hold SET member_id = sqlc.arg(into_id) WHERE member_id = sqlc.arg(from_id);

-- name: OverdueHolds :many
SELECT id FROM points_hold WHERE state = 'open' AND until_at <= sqlc.arg(now) AND until_at > 0
  AND id > sqlc.arg(after_id) ORDER BY id LIMIT ?;

-- name: CapUsed :one
SELECT used FROM points_cap WHERE owner_id = sqlc.arg(owner_id) AND source = sqlc.arg(source) AND period = sqlc.arg(period);

-- name: CapsOf :many
SELECT source, period, used FROM points_cap WHERE owner_id = sqlc.arg(owner_id) ORDER BY source, period LIMIT ?;

-- No row changes when the limit would be passed, or when there is no row yet.
-- name: UseCap :execrows
UPDATE points_cap SET used = used + sqlc.arg(amount)
WHERE owner_id = sqlc.arg(owner_id) AND source = sqlc.arg(source) AND period = sqlc.arg(period)
  AND used + sqlc.arg(amount) <= sqlc.arg(cap);

-- name: InsertCap :exec
INSERT INTO points_cap (owner_id, source, period, used)
VALUES (sqlc.arg(owner_id), sqlc.arg(source), sqlc.arg(period), sqlc.arg(used));

-- name: SignInOf :one
SELECT streak, points FROM points_sign_in WHERE member_id = sqlc.arg(member_id) AND day = sqlc.arg(day);

-- name: InsertSignIn :exec
INSERT INTO points_sign_in (member_id, day, streak, points)
VALUES (sqlc.arg(member_id), sqlc.arg(day), sqlc.arg(streak), sqlc.arg(points));

-- name: SignInsOf :many
SELECT member_id, day, streak, points FROM points_sign_in
WHERE member_id IN (sqlc.slice('members')) AND day >= sqlc.arg(since)
ORDER BY day, member_id LIMIT ?;

-- name: SetStreak :exec
UPDATE points_sign_in SET streak = sqlc.arg(streak) WHERE member_id = sqlc.arg(member_id) AND day = sqlc.arg(day);

-- Answers a duplicate key when the number or the member earned before.
-- name: InsertFirstBind :exec
INSERT INTO points_first_bind (phone_key, member_id, created_at)
VALUES (sqlc.arg(phone_key), sqlc.arg(member_id), sqlc.arg(created_at));

-- name: OwnFirstBind :exec
UPDATE points_first_bind SET member_id = sqlc.arg(into_id) WHERE member_id = sqlc.arg(from_id);

-- name: InsertAdjustment :exec
INSERT INTO points_adjustment (id, member_id, amount, reason, state, maker_id, checker_id, request_id, body_hash, decided_at, created_at)
VALUES (sqlc.arg(id), sqlc.arg(member_id), sqlc.arg(amount), sqlc.arg(reason), sqlc.arg(state), sqlc.arg(maker_id), 0, sqlc.arg(request_id), sqlc.arg(body_hash), sqlc.arg(decided_at), sqlc.arg(created_at));

-- name: AdjustmentByRequest :one
SELECT id, member_id, amount, reason, state, maker_id, checker_id, body_hash, created_at, decided_at FROM points_adjustment
WHERE maker_id = sqlc.arg(maker_id) AND request_id = sqlc.arg(request_id);

-- name: Adjustment :one
SELECT id, member_id, amount, reason, state, maker_id, checker_id, body_hash, created_at, decided_at FROM points_adjustment WHERE id = sqlc.arg(id);

-- name: Adjustments :many
SELECT id, member_id, amount, reason, state, maker_id, checker_id, body_hash, created_at, decided_at FROM points_adjustment
WHERE state = sqlc.arg(state) AND id > sqlc.arg(after_id) ORDER BY id LIMIT ?;

-- Four eyes: no row changes when the maker decides himself.
-- name: DecideAdjustment :execrows
UPDATE points_adjustment SET state = sqlc.arg(state), checker_id = sqlc.arg(checker_id), decided_at = sqlc.arg(decided_at)
WHERE id = sqlc.arg(id) AND state = 'requested' AND maker_id <> sqlc.arg(checker_id);

-- name: InsertFile :exec
INSERT INTO points_import (file_hash, name, operator_id, state, total, accepted, repeated, refused, points, created_at, done_at)
VALUES (sqlc.arg(file_hash), sqlc.arg(name), sqlc.arg(operator_id), 'running', 0, 0, 0, 0, 0, sqlc.arg(created_at), 0);

-- name: File :one
SELECT file_hash, name, operator_id, state, total, accepted, repeated, refused, points, created_at, done_at FROM points_import WHERE file_hash = sqlc.arg(file_hash);

-- name: FinishFile :execrows
UPDATE points_import SET state = 'done', total = sqlc.arg(total), accepted = sqlc.arg(accepted), repeated = sqlc.arg(repeated),
    refused = sqlc.arg(refused), points = sqlc.arg(points), done_at = sqlc.arg(done_at)
WHERE file_hash = sqlc.arg(file_hash) AND state = 'running';

-- name: InsertFileError :exec
INSERT INTO points_import_error (file_hash, line, row_key, code, detail)
VALUES (sqlc.arg(file_hash), sqlc.arg(line), sqlc.arg(row_key), sqlc.arg(code), sqlc.arg(detail));

-- name: FileErrors :many
SELECT line, row_key, code, detail FROM points_import_error
WHERE file_hash = sqlc.arg(file_hash) AND line > sqlc.arg(after_line) ORDER BY line LIMIT ?;

-- Answers a duplicate key when the row came before.
-- name: InsertAccrual :exec
INSERT INTO points_accrual (row_key, body_hash, member_id, points, created_at)
VALUES (sqlc.arg(row_key), sqlc.arg(body_hash), sqlc.arg(member_id), sqlc.arg(points), sqlc.arg(created_at));

-- name: CutAccrual :exec
UPDATE points_accrual SET points = sqlc.arg(points) WHERE row_key = sqlc.arg(row_key);

-- name: Accrual :one
SELECT body_hash, member_id, points FROM points_accrual WHERE row_key = sqlc.arg(row_key);

-- What expires at an instant, by member. All that was earned in a month may expire at
-- one: left alone, MariaDB begins each page at the first of them.
-- name: ExpiringAt :many
SELECT CAST(l.open_member AS SIGNED) AS member_id, CAST(SUM(l.remaining) AS SIGNED) AS points FROM points_lot l /*! FORCE INDEX (points_lot_expiry) */
WHERE l.expires_at = sqlc.arg(expires_at) AND l.open_member > sqlc.arg(after_member)
GROUP BY l.open_member
ORDER BY l.open_member LIMIT ?;

-- The next instant at which lots expire, those that are spent among them: one step into
-- the index.
-- name: NextExpiring :one
SELECT expires_at FROM points_lot
WHERE expires_at > sqlc.arg(after_expiry) AND expires_at <= sqlc.arg(until_at)
ORDER BY expires_at LIMIT 1;

-- Answers a duplicate key when the member was told of this expiry before.
-- name: InsertReminder :exec
INSERT INTO points_reminder (member_id, expires_at, created_at)
VALUES (sqlc.arg(member_id), sqlc.arg(expires_at), sqlc.arg(created_at));

-- The whole balance in one statement: the account by its key, the first expiry by
-- one step into the index of open lots.
-- name: Sums :many
SELECT member_id, balance, pending, due_at, version FROM points_account WHERE member_id IN (sqlc.slice(members));

-- name: Balances :many
SELECT a.member_id, a.balance, a.pending, a.due_at, a.version,
    CAST(COALESCE((SELECT MIN(m.expires_at) FROM points_lot m WHERE m.open_member = a.member_id), 0) AS SIGNED) AS first_expiry,
    CAST(COALESCE((SELECT SUM(l.remaining) FROM points_lot l WHERE l.open_member = a.member_id
        AND l.expires_at = (SELECT MIN(f.expires_at) FROM points_lot f WHERE f.open_member = a.member_id)), 0) AS SIGNED) AS expiring,
    CAST((SELECT COUNT(*) FROM points_sign_in s WHERE s.member_id = a.member_id AND s.day = sqlc.arg(today)) AS SIGNED) AS signed_in
FROM points_account a WHERE a.member_id IN (sqlc.slice(members));

-- name: Unsettled :one
SELECT
    CAST(COALESCE(SUM(CASE WHEN l.pending_member IS NULL THEN l.remaining ELSE 0 END), 0) AS SIGNED) AS expired,
    CAST(COALESCE(SUM(CASE WHEN l.pending_member IS NULL THEN 0 ELSE l.remaining END), 0) AS SIGNED) AS ripe,
    CAST(COALESCE(SUM(CASE WHEN l.pending_member IS NULL OR l.expires_at <= sqlc.arg(now) THEN 0 ELSE l.remaining END), 0) AS SIGNED) AS active
FROM points_lot l
WHERE (l.open_member = sqlc.arg(member_id) AND l.expires_at <= sqlc.arg(now))
   OR (l.pending_member = sqlc.arg(member_id) AND l.active_at <= sqlc.arg(now));

-- name: LiveExpiry :one
SELECT CAST(COALESCE(MIN(l.expires_at), 0) AS SIGNED) AS first_expiry FROM points_lot l
WHERE l.expires_at > sqlc.arg(now) AND (l.open_member = sqlc.arg(member_id) OR (l.pending_member = sqlc.arg(member_id) AND l.active_at <= sqlc.arg(now)));

-- name: LiveExpiring :one
SELECT CAST(COALESCE(SUM(l.remaining), 0) AS SIGNED) AS points FROM points_lot l
WHERE l.expires_at = sqlc.arg(expires_at) AND (l.open_member = sqlc.arg(member_id) OR (l.pending_member = sqlc.arg(member_id) AND l.active_at <= sqlc.arg(now)));
