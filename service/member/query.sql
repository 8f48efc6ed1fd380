-- The queries of members. Reads of one row answer sql.ErrNoRows when there is
-- none; guarded updates answer how many rows they hit.

-- name: ByOpenID :one
SELECT m.id, i.openid, i.unionid, m.follows, m.source, m.joined_at, m.closed_at, p.phone_sealed, p.key_version, p.bound_at
FROM member_identity i
JOIN member m ON m.id = i.member_id
LEFT JOIN member_phone p ON p.member_id = m.id
WHERE i.app = ? AND i.openid = ?;

-- name: ByID :one
SELECT m.id, m.merged_into, m.follows, m.source, m.joined_at, m.closed_at, p.phone_sealed, p.key_version, p.bound_at, i.openid, i.unionid
FROM member m
LEFT JOIN member_phone p ON p.member_id = m.id
LEFT JOIN member_identity i ON i.member_id = m.id AND i.app = sqlc.arg(app)
WHERE m.id = sqlc.arg(id)
ORDER BY i.created_at DESC, i.openid
LIMIT 1;

-- name: Identities :many
SELECT app, openid, unionid, created_at FROM member_identity
WHERE member_id = ?
ORDER BY app, openid
LIMIT 100;

-- name: AddMember :exec
INSERT INTO member (id, version, source, follows, follow_changed_at, merged_into, merged_at, closed_at, joined_at)
VALUES (?, 0, ?, ?, 0, 0, 0, 0, ?);

-- name: AddIdentity :exec
INSERT INTO member_identity (app, openid, member_id, unionid, created_at) VALUES (?, ?, ?, ?, ?);

-- Locks the member's row until the end of the transaction. 0 rows: merged, closed
-- or unknown.
-- name: Lock :execrows
UPDATE member SET version = version + 1 WHERE id = ? AND merged_into = 0 AND closed_at = 0;

-- name: State :one
SELECT merged_into, closed_at, joined_at, follows, follow_changed_at, source FROM member WHERE id = ?;

-- An event that is older than the last one changes nothing.
-- name: SetFollows :execrows
UPDATE member SET follows = sqlc.arg(follows), follow_changed_at = sqlc.arg(at)
WHERE id = sqlc.arg(id) AND follow_changed_at <= sqlc.arg(newest);

-- Whoever followed before he was heard of is as old as that.
-- name: SetJoined :exec
UPDATE member SET joined_at = sqlc.arg(at) WHERE id = sqlc.arg(id) AND joined_at > sqlc.arg(later);

-- name: AwayAmong :many
SELECT i.openid FROM member_identity i
JOIN member m ON m.id = i.member_id
WHERE i.app = sqlc.arg(app) AND i.openid IN (sqlc.slice('openids')) AND m.follows = FALSE;

-- name: NamelessAmong :many
SELECT i.openid FROM member_identity i
JOIN member m ON m.id = i.member_id
WHERE i.app = sqlc.arg(app) AND i.openid IN (sqlc.slice('openids')) AND m.follows = TRUE AND i.unionid = '';

-- The first known source of a member stays.
-- name: SetSource :exec
UPDATE member SET source = ? WHERE id = ? AND source = '';

-- name: AddFollow :exec
INSERT INTO member_follow (id, member_id, action, source, happened_at) VALUES (?, ?, ?, ?, ?);

-- name: Follows :many
SELECT f.action, f.source, f.happened_at FROM member_follow f
WHERE f.member_id IN (sqlc.slice('members'))
ORDER BY f.happened_at DESC, f.id DESC
LIMIT ?;

-- name: PhoneOf :one
SELECT phone_index, phone_sealed, key_version, holder_id, bound_at FROM member_phone WHERE member_id = ?;

-- Holds the row until the end of the transaction. 0 rows: it is another member's, or gone.
-- name: HoldPhone :execrows
UPDATE member_phone SET checked_at = checked_at WHERE phone_index = ? AND member_id = ?;

-- name: HolderOf :one
SELECT member_id, phone_sealed, key_version, holder_id, bound_at FROM member_phone WHERE phone_index = ?;

-- name: AddPhone :exec
INSERT INTO member_phone (phone_index, member_id, phone_sealed, key_version, holder_id, bound_at, checked_at)
VALUES (?, ?, ?, ?, ?, ?, ?);

-- name: DropPhone :execrows
DELETE FROM member_phone WHERE phone_index = ? AND member_id = ?;

-- name: SetHolder :execrows
UPDATE member_phone SET holder_id = ?, checked_at = ? WHERE phone_index = ? AND member_id = ?;

-- name: SetChecked :exec
UPDATE member_phone SET checked_at = ? WHERE phone_index = ? AND member_id = ?;

-- name: MovePhone :execrows
UPDATE member_phone SET member_id = sqlc.arg(into_id), phone_sealed = sqlc.arg(phone_sealed), key_version = sqlc.arg(key_version)
WHERE phone_index = sqlc.arg(phone_index) AND member_id = sqlc.arg(from_id);

-- name: DueForCheck :many
SELECT phone_index, member_id, phone_sealed, holder_id, checked_at FROM member_phone
WHERE checked_at < sqlc.arg(before) AND (checked_at > sqlc.arg(after_at) OR checked_at = sqlc.arg(after_at) AND member_id > sqlc.arg(after_member))
ORDER BY checked_at, member_id
LIMIT ?;

-- name: OldKeys :many
SELECT phone_index, member_id, phone_sealed, key_version FROM member_phone
WHERE key_version < sqlc.arg(newest) AND key_version >= sqlc.arg(after_version)
  AND (key_version > sqlc.arg(after_version) OR (key_version = sqlc.arg(after_version) AND phone_index > sqlc.arg(after_index)))
ORDER BY key_version, phone_index
LIMIT ?;

-- A row that changed meanwhile is left alone.
-- name: Reseal :execrows
UPDATE member_phone SET phone_sealed = sqlc.arg(phone_sealed), key_version = sqlc.arg(key_version)
WHERE phone_index = sqlc.arg(phone_index) AND member_id = sqlc.arg(member_id) AND phone_sealed = sqlc.arg(was);

-- name: AddBinding :exec
INSERT INTO member_binding (id, member_id, request_id, action, reason, phone_index, phone_masked, happened_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?);

-- name: BindingOf :one
SELECT phone_index, reason FROM member_binding
WHERE member_id IN (sqlc.slice('members')) AND request_id = sqlc.arg(request_id) AND action = sqlc.arg(action)
LIMIT 1;

-- name: PhoneEverBound :one
SELECT COUNT(*) FROM member_binding WHERE phone_index = ? AND action = 'bound';

-- name: MemberEverBound :one
SELECT COUNT(*) FROM member_binding b WHERE b.member_id IN (sqlc.slice('members')) AND b.action = 'bound';

-- name: Bindings :many
SELECT b.action, b.reason, b.phone_masked, b.happened_at FROM member_binding b
WHERE b.member_id IN (sqlc.slice('members'))
ORDER BY b.happened_at DESC, b.id DESC
LIMIT ?;

-- name: AddCode :exec
INSERT INTO member_code (id, member_id, request_id, phone_sealed, code_hash, state, tries, used_by, expires_at, created_at)
VALUES (?, ?, ?, ?, ?, 'open', 0, '', ?, ?);

-- name: CodeOf :one
SELECT id, state FROM member_code WHERE member_id = ? AND request_id = ?;

-- name: NewestCode :one
SELECT id, phone_sealed, code_hash, state, tries, used_by, expires_at FROM member_code
WHERE member_id = ?
ORDER BY id DESC
LIMIT 1;

-- Counts a try before anything is compared: 0 rows means that none is left.
-- name: CountTry :execrows
UPDATE member_code SET tries = tries + 1
WHERE id = sqlc.arg(id) AND state <> 'used' AND tries < sqlc.arg(most) AND expires_at > sqlc.arg(now_at);

-- name: UseCode :execrows
UPDATE member_code SET state = 'used', used_by = ? WHERE id = ? AND state <> 'used';

-- name: FailCode :exec
UPDATE member_code SET state = 'failed' WHERE id = ? AND state = 'open';

-- name: MoveCode :exec
UPDATE member_code SET member_id = sqlc.arg(into_id) WHERE id = sqlc.arg(id) AND member_id = sqlc.arg(from_id);

-- name: DropCodes :exec
DELETE FROM member_code WHERE member_id = ?;

-- name: OldCodes :many
SELECT id FROM member_code WHERE created_at < ? ORDER BY created_at LIMIT ?;

-- name: PurgeCodes :execrows
DELETE FROM member_code WHERE id IN (sqlc.slice('ids'));

-- name: OldQuotas :many
SELECT scope FROM member_code_quota WHERE day < ? ORDER BY day LIMIT ?;

-- A scope that was used again meanwhile stays.
-- name: PurgeQuotas :execrows
DELETE FROM member_code_quota WHERE scope IN (sqlc.slice('scopes')) AND day < ?;

-- One more of the same day, with the pause kept.
-- name: CountCode :execrows
UPDATE member_code_quota SET sent = sent + 1, last_at = sqlc.arg(now_at)
WHERE scope = sqlc.arg(scope) AND day = sqlc.arg(day) AND sent < sqlc.arg(most) AND last_at <= sqlc.arg(before_at);

-- The first of a new day, with the pause kept over midnight.
-- name: StartCodeDay :execrows
UPDATE member_code_quota SET sent = 1, day = sqlc.arg(day), last_at = sqlc.arg(now_at)
WHERE scope = sqlc.arg(scope) AND day < sqlc.arg(before_day) AND last_at <= sqlc.arg(before_at);

-- name: AddCodeQuota :exec
INSERT INTO member_code_quota (scope, day, sent, last_at) VALUES (?, ?, 1, ?);

-- name: CodeQuota :one
SELECT day, sent, last_at FROM member_code_quota WHERE scope = ?;

-- name: UnionOf :one
SELECT member_id FROM member_union WHERE unionid = ?;

-- name: AddUnion :exec
INSERT INTO member_union (unionid, member_id, created_at) VALUES (?, ?, ?);

-- name: MoveUnions :exec
UPDATE member_union SET member_id = sqlc.arg(into_id) WHERE member_id = sqlc.arg(from_id);

-- name: DropUnions :exec
DELETE FROM member_union WHERE member_id = ?;

-- name: MemberOf :one
SELECT member_id, unionid FROM member_identity WHERE app = ? AND openid = ?;

-- name: SetUnion :execrows
UPDATE member_identity SET unionid = ? WHERE app = ? AND openid = ? AND member_id = ?;

-- name: MoveIdentities :exec
UPDATE member_identity SET member_id = sqlc.arg(into_id) WHERE member_id = sqlc.arg(from_id);

-- name: DropIdentities :exec
DELETE FROM member_identity WHERE member_id = ?;

-- name: MergeInto :execrows
UPDATE member SET merged_into = ?, merged_at = ?, follows = FALSE WHERE id = ? AND merged_into = 0 AND closed_at = 0;

-- Those that had been merged into the one that is merged now.
-- name: ShortenMerges :exec
UPDATE member SET merged_into = sqlc.arg(into_id) WHERE merged_into = sqlc.arg(from_id);

-- name: MergedFrom :many
SELECT id FROM member WHERE merged_into = ? ORDER BY id LIMIT 100;

-- name: SetSurvivor :exec
UPDATE member SET follows = ?, follow_changed_at = ?, source = ?, joined_at = ? WHERE id = ?;

-- name: CloseMember :execrows
UPDATE member SET closed_at = ?, follows = FALSE WHERE id = ? AND closed_at = 0;

-- name: DropSource :exec
UPDATE member SET source = '' WHERE id = ?;

-- name: MaskBindings :exec
UPDATE member_binding SET phone_masked = '' WHERE member_id = ?;

-- name: MaskFollows :exec
UPDATE member_follow SET source = '' WHERE member_id = ?;

-- name: Consents :many
SELECT purpose, version, granted, changed_at FROM member_consent WHERE member_id = ? ORDER BY purpose LIMIT 100;

-- name: ConsentTo :one
SELECT version, granted, changed_at FROM member_consent WHERE member_id = ? AND purpose = ?;

-- Those of some members who took their consent back, and when.
-- name: RefusedBy :many
SELECT member_id, changed_at FROM member_consent
WHERE member_id IN (sqlc.slice(members)) AND purpose = sqlc.arg(purpose) AND granted = FALSE;

-- name: SetConsent :execrows
UPDATE member_consent SET version = sqlc.arg(version), granted = sqlc.arg(granted), changed_at = sqlc.arg(changed_at)
WHERE member_id = sqlc.arg(member_id) AND purpose = sqlc.arg(purpose);

-- name: AddConsent :exec
INSERT INTO member_consent (member_id, purpose, version, granted, changed_at) VALUES (?, ?, ?, ?, ?);

-- name: DropConsents :exec
DELETE FROM member_consent WHERE member_id = ?;

-- name: AddConsentChange :exec
INSERT INTO member_consent_change (id, member_id, request_id, purpose, version, granted, happened_at)
VALUES (?, ?, ?, ?, ?, ?, ?);

-- name: ConsentChanges :many
SELECT c.purpose, c.version, c.granted, c.happened_at FROM member_consent_change c
WHERE c.member_id IN (sqlc.slice('members'))
ORDER BY c.happened_at DESC, c.id DESC
LIMIT ?;

-- How many members are reached: the newest identity in each app is chosen by the reader.
-- name: ReachOf :many
SELECT m.id, m.merged_into, m.follows, i.app, i.openid, i.created_at FROM member m
LEFT JOIN member_identity i ON i.member_id = m.id
WHERE m.closed_at = 0 AND m.id IN (sqlc.slice('members'));

-- name: ConsentsTo :many
SELECT c.member_id, c.version FROM member_consent c
WHERE c.purpose = ? AND c.granted = TRUE AND c.member_id IN (sqlc.slice('members'));

-- name: FollowsOf :many
SELECT f.member_id, f.action, f.happened_at FROM member_follow f
WHERE f.member_id IN (sqlc.slice('members')) AND f.happened_at < sqlc.arg(before)
ORDER BY f.member_id, f.happened_at, f.id
LIMIT ?;

-- Who became one of some members; merges are shortened, so that one step is all.
-- name: FormersOf :many
SELECT id, merged_into FROM member WHERE merged_into IN (sqlc.slice('members')) ORDER BY id LIMIT ?;
