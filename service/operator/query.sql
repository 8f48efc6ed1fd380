-- The queries of operators. Reads of one row answer sql.ErrNoRows when there is
-- none; guarded updates answer how many rows they hit.

-- name: AddOperator :exec
INSERT INTO operator (id, username, name, roles, password_hash, totp_sealed, totp_active, totp_step, failures, locked_until, disabled_at, created_at, renew)
VALUES (?, ?, ?, ?, ?, '', FALSE, 0, 0, 0, 0, ?, ?);

-- name: ByUsername :one
SELECT id, username, name, roles, password_hash, totp_sealed, totp_active, totp_step, failures, locked_until, disabled_at, renew
FROM operator WHERE username = ?;

-- name: ByID :one
SELECT * FROM operator WHERE id = ?;

-- name: Page :many
SELECT * FROM operator WHERE id < sqlc.arg(before) ORDER BY id DESC LIMIT ?;

-- name: Change :execrows
UPDATE operator SET name = ?, roles = ? WHERE id = ?;

-- name: Enable :execrows
UPDATE operator SET disabled_at = 0, failures = 0, locked_until = 0 WHERE id = ? AND disabled_at <> 0;

-- Another's hand: the second factor goes too, for the phone may be lost with it.
-- name: Reset :execrows
UPDATE operator SET password_hash = ?, renew = TRUE, totp_sealed = '', totp_active = FALSE, totp_step = 0, failures = 0, locked_until = 0 WHERE id = ?;

-- The owner's hand: 0 rows when somebody changed the password meanwhile.
-- name: SetPassword :execrows
UPDATE operator SET password_hash = sqlc.arg(password_hash), renew = FALSE WHERE id = sqlc.arg(id) AND password_hash = sqlc.arg(was);

-- How many can still manage accounts.
-- name: ActiveRoles :many
SELECT roles FROM operator WHERE disabled_at = 0 AND roles LIKE '%admin%' LIMIT 1000;

-- name: AddRegion :exec
INSERT INTO operator_region (operator_id, province, city) VALUES (?, ?, ?);

-- name: DropRegions :exec
DELETE FROM operator_region WHERE operator_id = ?;

-- name: Reveal :execrows
UPDATE operator_reveal SET used = used + 1 WHERE operator_id = sqlc.arg(operator_id) AND slot = sqlc.arg(slot) AND used < sqlc.arg(most);

-- name: FirstReveal :exec
INSERT INTO operator_reveal (operator_id, slot, used) VALUES (?, ?, 1);

-- name: ForgetReveals :exec
DELETE FROM operator_reveal WHERE operator_id = sqlc.arg(operator_id) AND slot NOT IN (sqlc.arg(hour), sqlc.arg(today));

-- Counts an attempt before anything is compared: 0 rows means that another attempt
-- was counted meanwhile, or that the account is locked.
-- name: CountAttempt :execrows
UPDATE operator SET failures = failures + 1, locked_until = sqlc.arg(until_at)
WHERE id = sqlc.arg(id) AND failures = sqlc.arg(was) AND locked_until <= sqlc.arg(now_at);

-- Lets a sign-in through whose password was compared: 0 rows when the password was
-- changed, or the account disabled, meanwhile.
-- name: Admit :execrows
UPDATE operator SET failures = 0, locked_until = 0 WHERE id = sqlc.arg(id) AND password_hash = sqlc.arg(compared) AND disabled_at = 0;

-- name: ClearFailures :exec
UPDATE operator SET failures = 0, locked_until = 0 WHERE id = ?;

-- name: SetTOTP :execrows
UPDATE operator SET totp_sealed = ?, totp_active = FALSE, totp_step = 0 WHERE id = ? AND totp_active = FALSE AND disabled_at = 0;

-- name: ActivateTOTP :execrows
UPDATE operator SET totp_active = TRUE, totp_step = ? WHERE id = ? AND totp_active = FALSE AND totp_sealed = ?;

-- A code is good once: its step must be later than that of the last.
-- name: SpendStep :execrows
UPDATE operator SET totp_step = sqlc.arg(step) WHERE id = sqlc.arg(id) AND totp_step < sqlc.arg(step_after);

-- name: Disable :execrows
UPDATE operator SET disabled_at = ? WHERE id = ? AND disabled_at = 0;

-- name: AddSession :exec
INSERT INTO operator_session (token_hash, operator_id, created_at, seen_at, expires_at) VALUES (?, ?, ?, ?, ?);

-- name: SessionOf :one
SELECT o.id, o.username, o.name, o.roles, o.totp_active, o.renew, s.seen_at, s.expires_at
FROM operator_session s
JOIN operator o ON o.id = s.operator_id
WHERE s.token_hash = ? AND o.disabled_at = 0;

-- name: Regions :many
SELECT province, city FROM operator_region WHERE operator_id = ? ORDER BY province, city;

-- name: SeeSession :exec
UPDATE operator_session SET seen_at = ? WHERE token_hash = ?;

-- name: DropSession :execrows
DELETE FROM operator_session WHERE token_hash = ?;

-- name: DropOtherSessions :exec
DELETE FROM operator_session WHERE operator_id = ? AND token_hash <> ?;

-- name: DropSessions :exec
DELETE FROM operator_session WHERE operator_id = ?;

-- name: OldSessions :many
SELECT token_hash FROM operator_session WHERE expires_at < ? ORDER BY expires_at LIMIT ?;

-- name: PurgeSessions :execrows
DELETE FROM operator_session WHERE token_hash IN (sqlc.slice('hashes'));

-- Counts an attempt from an address; a window that is over begins anew. 0 rows means
-- that the address is new, or that its window is full.
-- name: Knock :execrows
UPDATE operator_knock SET
    attempts = CASE WHEN since_at <= sqlc.arg(before) THEN 1 ELSE attempts + 1 END,
    since_at = CASE WHEN since_at <= sqlc.arg(before) THEN sqlc.arg(now_at) ELSE since_at END
WHERE address = sqlc.arg(address) AND (since_at <= sqlc.arg(before) OR attempts < sqlc.arg(most));

-- name: FirstKnock :exec
INSERT INTO operator_knock (address, attempts, since_at) VALUES (sqlc.arg(address), 1, sqlc.arg(since_at));

-- name: OldKnocks :many
SELECT address FROM operator_knock WHERE since_at <= sqlc.arg(since_at) LIMIT ?;

-- name: DropKnocks :execrows
DELETE FROM operator_knock WHERE address IN (sqlc.slice(addresses)) AND since_at <= sqlc.arg(since_at);

-- Takes the next place in the chain and holds its end until the transaction ends.
-- name: NextSeq :execrows
UPDATE operator_audit_head SET seq = seq + 1 WHERE id = 1;

-- name: Head :one
SELECT seq, hash FROM operator_audit_head WHERE id = 1;

-- name: AddHead :exec
INSERT INTO operator_audit_head (id, seq, hash) VALUES (1, 1, '');

-- name: SetHead :exec
UPDATE operator_audit_head SET hash = ? WHERE id = 1;

-- name: AddAudit :exec
INSERT INTO operator_audit (seq, operator_id, action, target, detail, happened_at, hash) VALUES (?, ?, ?, ?, ?, ?, ?);

-- name: AuditAfter :many
SELECT seq, operator_id, action, target, detail, happened_at, hash FROM operator_audit
WHERE seq > ? ORDER BY seq LIMIT ?;

-- name: AuditBefore :many
SELECT seq, operator_id, action, target, detail, happened_at, hash FROM operator_audit
WHERE seq < sqlc.arg(before) AND happened_at >= sqlc.arg(since) AND happened_at < sqlc.arg(ends)
ORDER BY seq DESC LIMIT ?;

-- name: AuditOfTarget :many
SELECT seq, operator_id, action, target, detail, happened_at, hash FROM operator_audit
WHERE target = sqlc.arg(target) AND seq < sqlc.arg(before) AND happened_at >= sqlc.arg(since) AND happened_at < sqlc.arg(ends)
ORDER BY seq DESC LIMIT ?;

-- name: AuditOfOperator :many
SELECT seq, operator_id, action, target, detail, happened_at, hash FROM operator_audit
WHERE operator_id = sqlc.arg(operator_id) AND seq < sqlc.arg(before) AND happened_at >= sqlc.arg(since) AND happened_at < sqlc.arg(ends)
ORDER BY seq DESC LIMIT ?;

-- name: Names :many
SELECT id, name FROM operator WHERE id IN (sqlc.slice('ids'));
