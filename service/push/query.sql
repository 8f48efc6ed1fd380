-- Statements of push. Each is repeated as it is when its transaction lost a
-- deadlock.

-- A second row of one source meets the unique key.
-- name: AddEntitlement :exec
INSERT INTO push_entitlement (id, member_id, channel, template, source, granted_at, expires_at, remaining)
VALUES (?, ?, ?, ?, ?, ?, ?, ?);

-- A window starts anew: its count goes back to the most, it does not add up. An
-- action that is older than the one that stands changes nothing.
-- name: ResetWindow :execrows
UPDATE push_entitlement
SET granted_at = sqlc.arg(granted_at), expires_at = sqlc.arg(expires_at), remaining = sqlc.arg(remaining)
WHERE member_id = sqlc.arg(member_id) AND channel = 'custom' AND template = '' AND source = sqlc.arg(source)
  AND granted_at < sqlc.arg(newer_than);

-- Whatever is sent counts in every open window. No row changes when none is open.
-- name: TakeWindows :execrows
UPDATE push_entitlement SET remaining = remaining - 1
WHERE member_id = sqlc.arg(member_id) AND channel = 'custom' AND remaining > 0 AND expires_at > sqlc.arg(now);

-- WeChat says that the windows are shut or used up.
-- name: ShutWindows :exec
UPDATE push_entitlement SET remaining = 0
WHERE member_id = sqlc.arg(member_id) AND channel = 'custom' AND granted_at <= sqlc.arg(granted_before);

-- The oldest consent that is left.
-- name: Consent :one
SELECT id FROM push_entitlement
WHERE member_id = sqlc.arg(member_id) AND channel = sqlc.arg(channel) AND template = sqlc.arg(template)
  AND remaining > 0 AND (expires_at = 0 OR expires_at > sqlc.arg(now))
ORDER BY granted_at, id LIMIT 1;

-- No row changes when somebody else was quicker.
-- name: TakeConsent :execrows
UPDATE push_entitlement SET remaining = remaining - 1 WHERE id = ? AND remaining > 0;

-- Nothing was sent: the consent is whole again.
-- name: GiveBackConsent :exec
UPDATE push_entitlement SET remaining = remaining + 1 WHERE id = ? AND remaining = 0;

-- WeChat says that the member withdrew his consents of a template.
-- name: DropConsents :exec
UPDATE push_entitlement SET remaining = 0
WHERE member_id = sqlc.arg(member_id) AND channel = sqlc.arg(channel) AND template = sqlc.arg(template)
  AND granted_at <= sqlc.arg(granted_before);

-- name: Left :many
SELECT channel, template, CAST(SUM(remaining) AS SIGNED) AS total FROM push_entitlement
WHERE member_id = sqlc.arg(member_id) AND remaining > 0 AND (expires_at = 0 OR expires_at > sqlc.arg(now))
GROUP BY channel, template ORDER BY channel, template;

-- A second message of one member, topic and request meets the unique key.
-- name: AddMessage :exec
INSERT INTO push_message (id, member_id, topic, request_id, purpose, state, channel, entitlement_id, why, lease_until, created_at, updated_at)
VALUES (sqlc.arg(id), sqlc.arg(member_id), sqlc.arg(topic), sqlc.arg(request_id), sqlc.arg(purpose), 'pending', '', 0, '', 0, sqlc.arg(created_at), sqlc.arg(created_at));

-- name: Message :one
SELECT id, state, channel, why, lease_until FROM push_message
WHERE member_id = ? AND topic = ? AND request_id = ?;

-- One row when the message is ours to send.
-- name: ClaimMessage :execrows
UPDATE push_message
SET state = 'sending', channel = sqlc.arg(channel), entitlement_id = sqlc.arg(entitlement_id), lease_until = sqlc.arg(lease_until), updated_at = sqlc.arg(updated_at)
WHERE id = sqlc.arg(id) AND state = 'pending';

-- No row changes when it was settled meanwhile.
-- name: SettleMessage :execrows
UPDATE push_message SET state = sqlc.arg(state), why = sqlc.arg(why), updated_at = sqlc.arg(updated_at)
WHERE id = sqlc.arg(id) AND state = sqlc.arg(from_state);

-- Whoever sent it died in between: nobody knows, and nobody sends it again.
-- name: LoseMessages :execrows
UPDATE push_message SET state = 'unknown', why = 'push.died', updated_at = sqlc.arg(now)
WHERE state = 'sending' AND lease_until < sqlc.arg(lease_before);

-- Every message changes what is left of a right, so no index holds it.
-- name: EntitlementsAfter :many
SELECT id, granted_at, expires_at, remaining FROM push_entitlement WHERE id > sqlc.arg(after) ORDER BY id LIMIT ?;

-- name: ForgetEntitlements :exec
DELETE FROM push_entitlement WHERE id IN (sqlc.slice(ids));

-- name: OldMessages :many
SELECT id FROM push_message
WHERE state = sqlc.arg(state) AND updated_at < sqlc.arg(updated_before) ORDER BY updated_at LIMIT ?;

-- name: ForgetMessages :exec
DELETE FROM push_message WHERE id IN (sqlc.slice(ids));

-- name: DropEntitlements :exec
DELETE FROM push_entitlement WHERE member_id = sqlc.arg(member_id);

-- When two members become one, consents move; the same source of both stays one. So do the
-- month's mass messages, also when none is left: to WeChat he is the follower that he was.
-- name: ConsentsOf :many
SELECT id FROM push_entitlement WHERE member_id = ? AND channel <> 'custom' AND (remaining > 0 OR channel = 'mass') ORDER BY id LIMIT ?;

-- name: WindowsOf :many
SELECT source, granted_at, expires_at, remaining FROM push_entitlement
WHERE member_id = sqlc.arg(member_id) AND channel = 'custom' AND remaining > 0 AND expires_at > sqlc.arg(now)
ORDER BY source;

-- name: MoveConsent :exec
UPDATE push_entitlement SET member_id = sqlc.arg(into_id) WHERE id = sqlc.arg(id);
