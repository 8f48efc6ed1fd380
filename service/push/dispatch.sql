-- Statements of the planner. Each is repeated as it is when its transaction lost a
-- deadlock; those that answer a row count are guarded by what was read.

-- name: AddDispatch :exec
INSERT INTO push_dispatch (id, campaign_id, step_id, frozen_id, purpose, holdout, canary, variants, starts_at, ends_at,
    cap_day, cap_week, cap_campaign, state, why, released, staged_to, total, shards, created_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'staging', '', ?, 0, 0, 0, ?);

-- name: Dispatch :one
SELECT * FROM push_dispatch WHERE id = ?;

-- name: DispatchesOf :many
SELECT * FROM push_dispatch WHERE campaign_id = ? ORDER BY id LIMIT ?;

-- name: DispatchesByID :many
SELECT * FROM push_dispatch WHERE id IN (sqlc.slice(ids));

-- What may have to be sent now, whatever a person said of its campaign; and what is to be
-- settled, for its step was dropped, its time is over or its campaign was killed, also when
-- it stopped by itself or its rows were still being made.
-- name: OpenDispatches :many
SELECT d.*, COALESCE(c.state, 'running') AS campaign_state FROM push_dispatch d
LEFT JOIN push_campaign c ON c.campaign_id = d.campaign_id
WHERE d.state IN ('open', 'stopped', 'staging', 'dropped') AND d.starts_at <= sqlc.arg(started_by)
  AND (d.state IN ('open', 'dropped') OR d.ends_at <= sqlc.arg(ended_by) OR c.state = 'killed')
ORDER BY d.starts_at, d.id LIMIT ?;

-- The checkpoint moves on from where it was read, or the page was another's.
-- name: Staged :execrows
UPDATE push_dispatch SET staged_to = sqlc.arg(staged_to), total = total + sqlc.arg(n), shards = shards + sqlc.arg(new_shards)
WHERE id = sqlc.arg(id) AND staged_to = sqlc.arg(was) AND state = 'staging';

-- name: StagedAmong :many
SELECT member_id FROM push_delivery WHERE dispatch_id = sqlc.arg(dispatch_id) AND member_id IN (sqlc.slice(members));

-- name: SetDispatchState :execrows
UPDATE push_dispatch SET state = sqlc.arg(state), why = sqlc.arg(why) WHERE id = sqlc.arg(id) AND state = sqlc.arg(from_state);

-- name: ReleaseDispatches :exec
UPDATE push_dispatch SET released = TRUE WHERE campaign_id = ?;

-- No later than its campaign; of what that one's end had cut, as much more as its step lasts.
-- name: EndDispatches :exec
UPDATE push_dispatch
SET ends_at = CASE WHEN ends_at >= sqlc.arg(ends_at) THEN sqlc.arg(ends_at) WHEN starts_at + sqlc.arg(lasts) >= sqlc.arg(ends_at) THEN sqlc.arg(ends_at)
    WHEN starts_at + sqlc.arg(lasts) > ends_at THEN starts_at + sqlc.arg(lasts) ELSE ends_at END
WHERE campaign_id = sqlc.arg(campaign_id) AND step_id = sqlc.arg(step_id) AND state IN ('staging', 'open', 'stopped');

-- What is not of the steps that a campaign keeps; no row of it is added from now on. What it
-- was dropped for stays with it.
-- name: DropDispatches :exec
UPDATE push_dispatch SET state = 'dropped', why = sqlc.arg(why)
WHERE campaign_id = sqlc.arg(campaign_id) AND state IN ('staging', 'open', 'stopped') AND step_id NOT IN (sqlc.slice(steps));

-- A dispatch that stopped by itself goes on with its campaign.
-- name: ReopenDispatches :exec
UPDATE push_dispatch SET state = 'open', why = '' WHERE campaign_id = ? AND state = 'stopped';

-- name: AddCampaign :exec
INSERT INTO push_campaign (campaign_id, state, why, changed_at) VALUES (?, ?, ?, ?);

-- What was killed stays so.
-- name: SetCampaign :execrows
UPDATE push_campaign SET state = sqlc.arg(state), why = sqlc.arg(why), changed_at = sqlc.arg(changed_at)
WHERE campaign_id = sqlc.arg(campaign_id) AND state <> 'killed';

-- name: Campaign :one
SELECT state, why, changed_at FROM push_campaign WHERE campaign_id = ?;

-- name: AddShard :exec
INSERT INTO push_shard (dispatch_id, n, wave, from_id, to_id, state, token, lease_until, due_at)
VALUES (?, ?, ?, ?, ?, 'open', '', 0, 0);

-- name: DueShards :many
SELECT n, wave, from_id, to_id, lease_until, token FROM push_shard
WHERE dispatch_id = sqlc.arg(dispatch_id) AND state = 'open' AND wave <= sqlc.arg(wave)
  AND due_at <= sqlc.arg(due_by) AND lease_until < sqlc.arg(lease_before)
ORDER BY wave, n LIMIT ?;

-- name: LeaseShard :execrows
UPDATE push_shard SET token = sqlc.arg(token), lease_until = sqlc.arg(lease_until)
WHERE dispatch_id = sqlc.arg(dispatch_id) AND n = sqlc.arg(n) AND state = 'open' AND lease_until = sqlc.arg(was_until) AND token = sqlc.arg(was_token);

-- No row changes when the lease was lost.
-- name: KeepShard :execrows
UPDATE push_shard SET lease_until = sqlc.arg(lease_until)
WHERE dispatch_id = sqlc.arg(dispatch_id) AND n = sqlc.arg(n) AND token = sqlc.arg(token) AND lease_until > sqlc.arg(now) AND state = 'open';

-- name: LeaveShard :execrows
UPDATE push_shard SET token = '', lease_until = 0, state = sqlc.arg(state), due_at = sqlc.arg(due_at)
WHERE dispatch_id = sqlc.arg(dispatch_id) AND n = sqlc.arg(n) AND token = sqlc.arg(token) AND state = 'open';

-- name: OpenShards :one
SELECT COUNT(*) FROM push_shard WHERE dispatch_id = ? AND state = 'open';

-- name: PendingRows :many
SELECT id, member_id, variant, tried, why FROM push_delivery
WHERE dispatch_id = sqlc.arg(dispatch_id) AND shard = sqlc.arg(shard) AND id >= sqlc.arg(from_id) AND id <= sqlc.arg(to_id) AND state = 'pending'
ORDER BY id LIMIT ?;

-- name: SendingRows :many
SELECT id, member_id, variant, channel, tried, batch, called_at FROM push_delivery
WHERE dispatch_id = sqlc.arg(dispatch_id) AND shard = sqlc.arg(shard) AND id >= sqlc.arg(from_id) AND id <= sqlc.arg(to_id) AND state = 'sending'
ORDER BY id LIMIT ?;

-- name: SendRows :execrows
UPDATE push_delivery SET state = 'sending', channel = sqlc.arg(channel), batch = sqlc.arg(batch), called_at = sqlc.arg(called_at), changed_at = sqlc.arg(changed_at)
WHERE state = 'pending' AND id IN (sqlc.slice(ids));

-- name: SettleRows :execrows
UPDATE push_delivery SET state = sqlc.arg(state), why = sqlc.arg(why), changed_at = sqlc.arg(changed_at)
WHERE state = sqlc.arg(from_state) AND id IN (sqlc.slice(ids));

-- The end of who is not called; who was never called goes by no channel.
-- name: SkipRows :execrows
UPDATE push_delivery SET state = sqlc.arg(state), channel = CASE WHEN tried = 0 THEN '' ELSE channel END, why = sqlc.arg(why), changed_at = sqlc.arg(changed_at)
WHERE state = 'pending' AND id IN (sqlc.slice(ids));

-- A definite refusal makes it pending again, without the way that refused.
-- name: RetryRows :execrows
UPDATE push_delivery SET state = 'pending', tried = tried | sqlc.arg(way), why = sqlc.arg(why), changed_at = sqlc.arg(changed_at)
WHERE state = 'sending' AND id IN (sqlc.slice(ids));

-- Nothing more is sent of this shard.
-- name: SweepRows :execrows
UPDATE push_delivery SET state = 'skipped', channel = CASE WHEN tried = 0 THEN '' ELSE channel END, why = sqlc.arg(why), changed_at = sqlc.arg(changed_at)
WHERE dispatch_id = sqlc.arg(dispatch_id) AND shard = sqlc.arg(shard) AND id >= sqlc.arg(from_id) AND id <= sqlc.arg(to_id) AND state = 'pending';

-- The last of so many of a campaign's rows.
-- name: TallyEnd :one
SELECT id FROM push_delivery WHERE campaign_id = sqlc.arg(campaign_id) AND id > sqlc.arg(after) ORDER BY id LIMIT 1 OFFSET ?;

-- name: Tally :many
SELECT dispatch_id, variant, channel, state, why, COUNT(*) AS n,
    CAST(SUM(CASE WHEN delivered_at > 0 THEN 1 ELSE 0 END) AS SIGNED) AS delivered,
    CAST(SUM(CASE WHEN tapped_at > 0 THEN 1 ELSE 0 END) AS SIGNED) AS tapped
FROM push_delivery WHERE campaign_id = sqlc.arg(campaign_id) AND id > sqlc.arg(after) AND id <= sqlc.arg(last_id)
GROUP BY dispatch_id, variant, channel, state, why;

-- name: ShardsAfter :many
SELECT n, from_id, to_id FROM push_shard WHERE dispatch_id = sqlc.arg(dispatch_id) AND n > sqlc.arg(after) ORDER BY n LIMIT ?;

-- Those of some shards, along the key: by their dispatch alone each would be looked up.
-- name: TallyOf :many
SELECT dispatch_id, variant, channel, state, why, COUNT(*) AS n,
    CAST(SUM(CASE WHEN delivered_at > 0 THEN 1 ELSE 0 END) AS SIGNED) AS delivered,
    CAST(SUM(CASE WHEN tapped_at > 0 THEN 1 ELSE 0 END) AS SIGNED) AS tapped
FROM push_delivery
WHERE id >= sqlc.arg(from_id) AND id <= sqlc.arg(to_id)
  AND dispatch_id = sqlc.arg(dispatch_id) AND shard >= sqlc.arg(first_shard) AND shard <= sqlc.arg(last_shard)
GROUP BY dispatch_id, variant, channel, state, why;

-- Those who are sent to before Release; what was dropped shows nothing of what goes on.
-- name: FirstShards :many
SELECT s.dispatch_id, s.n, s.from_id, s.to_id FROM push_dispatch d
JOIN push_shard s ON s.dispatch_id = d.id
WHERE d.campaign_id = sqlc.arg(campaign_id) AND d.why <> sqlc.arg(dropped_for) AND s.wave = 0
ORDER BY s.dispatch_id, s.n LIMIT ?;

-- name: StatesIn :many
SELECT state, COUNT(*) AS n FROM push_delivery
WHERE dispatch_id = sqlc.arg(dispatch_id) AND shard = sqlc.arg(shard) AND id >= sqlc.arg(from_id) AND id <= sqlc.arg(to_id)
GROUP BY state ORDER BY state;

-- name: OpenShardsOf :one
SELECT COUNT(*) FROM push_dispatch d
JOIN push_shard s ON s.dispatch_id = d.id
WHERE d.campaign_id = sqlc.arg(campaign_id) AND d.state <> 'finished' AND s.state = 'open';

-- name: Deliveries :many
SELECT * FROM push_delivery WHERE campaign_id = ? AND id > sqlc.arg(after) ORDER BY id LIMIT ?;

-- name: DeliveriesTo :many
SELECT * FROM push_delivery WHERE member_id IN (sqlc.slice(members)) AND id < sqlc.arg(below) ORDER BY id DESC LIMIT ?;

-- name: DeliveriesToIn :many
SELECT * FROM push_delivery WHERE member_id IN (sqlc.slice(members)) AND campaign_id = sqlc.arg(campaign_id) ORDER BY id LIMIT ?;

-- name: Delivery :one
SELECT * FROM push_delivery WHERE id = ?;

-- name: TapDelivery :execrows
UPDATE push_delivery SET tapped_at = sqlc.arg(tapped_at) WHERE id = sqlc.arg(id) AND tapped_at = 0;

-- A repeat meets the primary key.
-- name: AddTap :exec
INSERT INTO push_tap (member_id, delivery_id, tapped_at) VALUES (?, ?, ?);

-- name: TapsOf :many
SELECT member_id, delivery_id, tapped_at FROM push_tap WHERE member_id IN (sqlc.slice(members)) ORDER BY member_id, delivery_id LIMIT ?;

-- name: DropTaps :exec
DELETE FROM push_tap WHERE member_id = sqlc.arg(member_id);

-- name: OldTaps :many
SELECT tapped_at FROM push_tap WHERE tapped_at < ? ORDER BY tapped_at LIMIT ?;

-- name: ForgetTaps :exec
DELETE FROM push_tap WHERE tapped_at <= ?;

-- The rights of many members. Their order is made by who asks: here it would cost as
-- much as finding them. Left alone, MariaDB reads the whole table for 500 members when
-- it has some ten thousand rows.
-- name: RightsOf :many
SELECT id, member_id, channel, template, source, granted_at, remaining FROM push_entitlement /*! FORCE INDEX (push_entitlement_source) */
WHERE member_id IN (sqlc.slice(members)) AND (expires_at = 0 OR expires_at > sqlc.arg(now)) AND (remaining > 0 OR channel = 'mass');

-- name: TakeRights :execrows
UPDATE push_entitlement SET remaining = remaining - 1 WHERE remaining > 0 AND id IN (sqlc.slice(ids));

-- A right that was not used goes back, never above what it was.
-- name: GiveBackRights :exec
UPDATE push_entitlement SET remaining = remaining + 1
WHERE id IN (sqlc.slice(ids)) AND remaining < CASE source WHEN 'message' THEN 5 WHEN 'event' THEN 3 WHEN 'pay' THEN 1000000 ELSE CASE channel WHEN 'mass' THEN 4 ELSE 1 END END;

-- WeChat says that a member has no such right.
-- name: DropRights :exec
UPDATE push_entitlement SET remaining = 0 WHERE id IN (sqlc.slice(ids)) AND granted_at <= sqlc.arg(granted_before);

-- name: LoadsOf :many
SELECT member_id, day, n FROM push_load WHERE member_id IN (sqlc.slice(members)) AND day >= sqlc.arg(since_day);

-- name: AddLoads :execrows
UPDATE push_load SET n = n + 1 WHERE day = sqlc.arg(day) AND n = sqlc.arg(was) AND member_id IN (sqlc.slice(members));

-- name: TakeLoads :exec
UPDATE push_load SET n = n - 1 WHERE day = sqlc.arg(day) AND n > 0 AND member_id IN (sqlc.slice(members));

-- When two members become one.
-- name: LoadsBefore :many
SELECT day, n FROM push_load WHERE member_id = ? ORDER BY day LIMIT ?;

-- name: MoreLoad :execrows
UPDATE push_load SET n = n + sqlc.arg(n) WHERE member_id = sqlc.arg(member_id) AND day = sqlc.arg(day);

-- name: AddLoad :exec
INSERT INTO push_load (member_id, day, n) VALUES (?, ?, ?);

-- name: DropLoads :exec
DELETE FROM push_load WHERE member_id = sqlc.arg(member_id);

-- What waits for the one and was sent to, or kept from, the other.
-- name: PendingTwice :many
SELECT i.id FROM push_delivery i JOIN push_delivery f ON f.dispatch_id = i.dispatch_id AND f.member_id = sqlc.arg(from_id)
WHERE i.member_id = sqlc.arg(into_id) AND i.state = 'pending' AND f.state IN ('sending', 'sent', 'unknown', 'held_out')
ORDER BY i.id LIMIT ?;

-- Nothing was sent of it. A second row of one dispatch meets the unique key.
-- name: MoveRow :execrows
UPDATE push_delivery SET member_id = sqlc.arg(into_id) WHERE id = sqlc.arg(id) AND member_id = sqlc.arg(from_id) AND state = 'pending';

-- How many of a campaign's messages members got or may get.
-- name: CampaignLoads :many
SELECT member_id, COUNT(*) AS n FROM push_delivery
WHERE member_id IN (sqlc.slice(members)) AND campaign_id = sqlc.arg(campaign_id) AND state IN ('sending', 'sent', 'unknown')
GROUP BY member_id;

-- name: Quota :one
SELECT * FROM push_quota WHERE channel = ?;

-- name: Quotas :many
SELECT * FROM push_quota;

-- name: AddQuota :exec
INSERT INTO push_quota (channel, day, day_used, minute, minute_used, minute_cap, shut_day, shut_minute) VALUES (?, ?, 0, ?, 0, 0, 0, 0);

-- name: NextQuotaDay :exec
UPDATE push_quota SET day = sqlc.arg(day), day_used = 0, minute_cap = 0 WHERE channel = sqlc.arg(channel) AND day < sqlc.arg(before_day);

-- name: NextQuotaMinute :exec
UPDATE push_quota SET minute = sqlc.arg(minute), minute_used = 0 WHERE channel = sqlc.arg(channel) AND minute < sqlc.arg(before_minute);

-- No row changes when there is not so much left, or a day or minute began.
-- name: SpendQuota :execrows
UPDATE push_quota SET day_used = day_used + sqlc.arg(n), minute_used = minute_used + sqlc.arg(n)
WHERE channel = sqlc.arg(channel) AND day = sqlc.arg(day) AND minute = sqlc.arg(minute) AND shut_day < sqlc.arg(day) AND shut_minute < sqlc.arg(minute)
  AND day_used <= sqlc.arg(day_most) AND minute_used <= sqlc.arg(minute_most);

-- name: GiveBackQuota :exec
UPDATE push_quota SET day_used = day_used - sqlc.arg(n) WHERE channel = sqlc.arg(channel) AND day = sqlc.arg(day) AND day_used >= sqlc.arg(n);

-- name: ShutDay :exec
UPDATE push_quota SET shut_day = sqlc.arg(day) WHERE channel = sqlc.arg(channel) AND shut_day < sqlc.arg(before_day);

-- Slower from now on, for today.
-- name: ShutMinute :exec
UPDATE push_quota SET shut_minute = sqlc.arg(minute), minute_cap = sqlc.arg(minute_cap)
WHERE channel = sqlc.arg(channel) AND shut_minute < sqlc.arg(before_minute);

-- name: AddReport :exec
INSERT INTO push_report (msg_id, delivered, why, reported_at) VALUES (?, ?, ?, ?);

-- name: ReportsOf :many
SELECT msg_id, delivered, why, reported_at FROM push_report WHERE msg_id IN (sqlc.slice(ids));

-- name: ReceiptsOf :many
SELECT delivery_id FROM push_receipt WHERE msg_id = ? AND delivery_id > sqlc.arg(after) ORDER BY delivery_id LIMIT ?;

-- name: Delivered :exec
UPDATE push_delivery SET delivered_at = sqlc.arg(delivered_at) WHERE delivered_at = 0 AND state = 'sent' AND id IN (sqlc.slice(ids));

-- name: NotDelivered :exec
UPDATE push_delivery SET why = sqlc.arg(why) WHERE why = '' AND delivered_at = 0 AND state = 'sent' AND id IN (sqlc.slice(ids));

-- name: OldLoads :many
SELECT member_id, day FROM push_load WHERE day < ? ORDER BY day, member_id LIMIT ?;

-- name: ForgetLoads :exec
DELETE FROM push_load WHERE day = sqlc.arg(day) AND member_id IN (sqlc.slice(members));

-- WeChat's ids grow, so that the old ones come first.
-- name: OldReports :many
SELECT msg_id FROM push_report WHERE reported_at < ? ORDER BY msg_id LIMIT ?;

-- name: ForgetReports :exec
DELETE FROM push_report WHERE msg_id IN (sqlc.slice(ids));

-- Along the key, for no other index is worth its writing.
-- name: ReceiptsAfter :many
SELECT msg_id, delivery_id FROM push_receipt
WHERE msg_id >= sqlc.arg(msg_id) AND (msg_id > sqlc.arg(msg_id) OR delivery_id > sqlc.arg(delivery_id))
ORDER BY msg_id, delivery_id LIMIT ?;

-- name: ForgetReceipts :exec
DELETE FROM push_receipt WHERE msg_id IN (sqlc.slice(ids)) AND delivery_id < sqlc.arg(before);
