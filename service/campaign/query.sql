-- Statements of the campaigns. Each is repeated as it is when its transaction lost a
-- deadlock.

-- name: InsertCampaign :exec
INSERT INTO campaign (id, name, goal, state, why, told, paused_from, live_version, last_version, origin_id, canary_at, released_at, ends_at, created_by, created_at, updated_at)
VALUES (sqlc.arg(id), sqlc.arg(name), sqlc.arg(goal), 'draft', '', '', '', 0, 1, sqlc.arg(origin_id), 0, 0, sqlc.arg(ends_at), sqlc.arg(created_by), sqlc.arg(now), sqlc.arg(now));

-- name: Campaign :one
SELECT * FROM campaign WHERE id = ?;

-- name: CampaignsBefore :many
SELECT * FROM campaign WHERE id < sqlc.arg(before) AND (sqlc.arg(words) = '' OR INSTR(LOWER(name), LOWER(sqlc.arg(words))) > 0) ORDER BY id DESC LIMIT ?;

-- Campaigns in a state. Before one was live, its last version's state is its own; one
-- with a change under review is under review, whatever goes on beside it.
-- name: CampaignsIn :many
SELECT c.* FROM campaign c
WHERE c.id < sqlc.arg(before) AND (sqlc.arg(words) = '' OR INSTR(LOWER(c.name), LOWER(sqlc.arg(words))) > 0) AND (
    c.state = sqlc.arg(own) AND (c.live_version <> 0 OR c.state <> 'draft')
    OR EXISTS (SELECT 1 FROM campaign_version v WHERE v.campaign_id = c.id AND v.version = c.last_version AND v.state = sqlc.arg(of_version)
        AND (v.state = 'review' OR c.live_version = 0 AND c.state = 'draft'))
)
ORDER BY c.id DESC LIMIT ?;

-- What the clock moves.
-- name: Moving :many
SELECT * FROM campaign WHERE state IN ('scheduled', 'canary', 'running') AND id > sqlc.arg(after) ORDER BY id LIMIT ?;

-- Campaigns that a pause has outlasted.
-- name: PausedOver :many
SELECT * FROM campaign WHERE state = 'paused' AND ends_at <= sqlc.arg(ended_by) ORDER BY id LIMIT ?;

-- What was not handed over when its campaign ended or was stopped is not to come; who is
-- handing it over just then finds it settled.
-- name: SkipOccurrences :exec
UPDATE campaign_occurrence SET state = 'skipped', why = sqlc.arg(why), staged_at = sqlc.arg(now), leased_until = 0 WHERE campaign_id = sqlc.arg(campaign_id) AND state = 'due';

-- What the pushes were not told of yet.
-- name: Untold :many
SELECT * FROM campaign WHERE state IN ('scheduled', 'canary', 'running', 'paused', 'stopped') AND told <> state ORDER BY id LIMIT ?;

-- No row when the campaign is in another state meanwhile. What the pushes were told before
-- may still be on its way: nobody knows where they stand.
-- name: MoveCampaign :execrows
UPDATE campaign SET state = sqlc.arg(state), told = 'moved', why = sqlc.arg(why), paused_from = sqlc.arg(paused_from), paused_at = sqlc.arg(paused_at), updated_at = sqlc.arg(now)
WHERE id = sqlc.arg(id) AND state = sqlc.arg(was);

-- Ends a campaign by the plan that was looked at. No row when it is in another state
-- meanwhile, or when another version is live, which may have more to come.
-- name: FinishCampaign :execrows
UPDATE campaign SET state = 'finished', told = 'moved', why = sqlc.arg(why), paused_from = '', paused_at = 0, updated_at = sqlc.arg(now)
WHERE id = sqlc.arg(id) AND state = sqlc.arg(was) AND live_version = sqlc.arg(live_version);

-- No row when the campaign is in another state meanwhile.
-- name: Tell :execrows
UPDATE campaign SET told = sqlc.arg(told) WHERE id = sqlc.arg(id) AND state = sqlc.arg(told);

-- A canary that goes on after a pause is watched anew, and one of which nobody was tried
-- from now on.
-- name: RestartCanary :exec
UPDATE campaign SET canary_at = sqlc.arg(now) WHERE id = sqlc.arg(id) AND state = 'canary';

-- name: BeginCanary :execrows
UPDATE campaign SET state = 'canary', canary_at = sqlc.arg(now), updated_at = sqlc.arg(now) WHERE id = sqlc.arg(id) AND state = 'scheduled';

-- name: PassCanary :execrows
UPDATE campaign SET state = 'running', released_at = sqlc.arg(now), updated_at = sqlc.arg(now) WHERE id = sqlc.arg(id) AND state = 'canary';

-- name: RenameCampaign :exec
UPDATE campaign SET name = sqlc.arg(name), goal = sqlc.arg(goal), updated_at = sqlc.arg(now) WHERE id = sqlc.arg(id);

-- A version goes live: the first makes the campaign scheduled, a later one leaves it
-- where it stands.
-- name: GoLive :execrows
UPDATE campaign SET live_version = sqlc.arg(version), state = sqlc.arg(state), name = sqlc.arg(name), goal = sqlc.arg(goal), ends_at = sqlc.arg(ends_at), updated_at = sqlc.arg(now)
WHERE id = sqlc.arg(id) AND state = sqlc.arg(was) AND live_version < sqlc.arg(version);

-- Holds a campaign by the plan that was looked at until the end of the transaction. No row
-- when it does not go on meanwhile, or when another version is live.
-- name: HoldVersion :execrows
UPDATE campaign SET live_version = live_version
WHERE id = ? AND live_version = ? AND state IN ('scheduled', 'canary', 'running');

-- Holds the campaign's row until the end of the transaction: no other version goes live.
-- name: HoldCampaign :exec
UPDATE campaign SET live_version = live_version WHERE id = ?;

-- name: AddVersion :execrows
UPDATE campaign SET last_version = sqlc.arg(version), updated_at = sqlc.arg(now)
WHERE id = sqlc.arg(id) AND last_version = sqlc.arg(version) - 1;

-- name: InsertVersion :exec
INSERT INTO campaign_version (campaign_id, version, state, edits, plan, author_id, edited_at, submitted_by, submitted_at, frozen_id, frozen_size, decided_by, decided_at, why)
VALUES (sqlc.arg(campaign_id), sqlc.arg(version), 'draft', 1, sqlc.arg(plan), sqlc.arg(author_id), sqlc.arg(now), 0, 0, 0, 0, 0, 0, '');

-- name: Version :one
SELECT * FROM campaign_version WHERE campaign_id = ? AND version = ?;

-- name: Versions :many
SELECT * FROM campaign_version WHERE campaign_id = ? ORDER BY version DESC LIMIT ?;

-- No row when somebody else edited it meanwhile, or when it is no draft.
-- name: SaveVersion :execrows
UPDATE campaign_version SET plan = sqlc.arg(plan), author_id = sqlc.arg(author_id), edited_at = sqlc.arg(now), edits = edits + 1, why = ''
WHERE campaign_id = sqlc.arg(campaign_id) AND version = sqlc.arg(version) AND state = 'draft' AND edits = sqlc.arg(edits);

-- The audiences by which people were drawn so far, the oldest first.
-- name: DrawnAudiences :many
SELECT frozen_id FROM campaign_version WHERE campaign_id = ? AND state IN ('live', 'old') AND frozen_id > 0 ORDER BY version LIMIT ?;

-- What happened to a person by any of his ids counts once.
-- name: Signalled :one
SELECT COUNT(*) FROM campaign_signal WHERE step_id = sqlc.arg(step_id) AND ref = sqlc.arg(ref) AND member_id IN (sqlc.slice(members));

-- To whom of them it happened already.
-- name: SignalledAmong :many
SELECT member_id FROM campaign_signal WHERE step_id = sqlc.arg(step_id) AND ref = sqlc.arg(ref) AND member_id IN (sqlc.slice(members));

-- Of whom nobody could say it in earlier rounds: signals that are never due.
-- name: UnaskedAmong :many
SELECT member_id, happened_at FROM campaign_signal
WHERE step_id = sqlc.arg(step_id) AND member_id IN (sqlc.slice(members)) AND due_at = sqlc.arg(never)
  AND happened_at >= sqlc.arg(since) AND happened_at < sqlc.arg(before);

-- The plan that was frozen for is the one that is submitted.
-- name: SubmitVersion :execrows
UPDATE campaign_version SET state = 'review', submitted_by = sqlc.arg(submitted_by), submitted_at = sqlc.arg(now), frozen_id = sqlc.arg(frozen_id), frozen_size = sqlc.arg(frozen_size), why = ''
WHERE campaign_id = sqlc.arg(campaign_id) AND version = sqlc.arg(version) AND state = 'draft' AND edits = sqlc.arg(edits);

-- Whoever wrote or submitted the plan is not its checker, and the checker has read
-- the count: no row otherwise.
-- name: ApproveVersion :execrows
UPDATE campaign_version SET state = 'approved', decided_by = sqlc.arg(checker), decided_at = sqlc.arg(now)
WHERE campaign_id = sqlc.arg(campaign_id) AND version = sqlc.arg(version) AND state = 'review'
  AND author_id <> sqlc.arg(checker) AND submitted_by <> sqlc.arg(checker) AND frozen_size = sqlc.arg(frozen_size);

-- Back to the draft, with what is to be mended.
-- name: ReturnVersion :execrows
UPDATE campaign_version SET state = 'draft', decided_by = sqlc.arg(decided_by), decided_at = sqlc.arg(now), why = sqlc.arg(why), edits = edits + 1
WHERE campaign_id = sqlc.arg(campaign_id) AND version = sqlc.arg(version) AND state IN ('review', 'approved');

-- name: LiveVersion :execrows
UPDATE campaign_version SET state = 'live', live_at = sqlc.arg(now) WHERE campaign_id = sqlc.arg(campaign_id) AND version = sqlc.arg(version) AND state = 'approved';

-- name: RetireVersions :exec
UPDATE campaign_version SET state = 'old' WHERE campaign_id = sqlc.arg(campaign_id) AND version < sqlc.arg(version) AND state = 'live';

-- name: InsertOccurrence :exec
INSERT INTO campaign_occurrence (step_id, scheduled_for, part, campaign_id, version, state, due_at, missed, dispatch_id, frozen_id, total, winner, why, ends_at, leased_until, lease_token, created_at, staged_at)
VALUES (sqlc.arg(step_id), sqlc.arg(scheduled_for), sqlc.arg(part), sqlc.arg(campaign_id), sqlc.arg(version), sqlc.arg(state), sqlc.arg(due_at), sqlc.arg(missed), sqlc.arg(dispatch_id), 0, 0, sqlc.arg(winner), sqlc.arg(why), sqlc.arg(ends_at), 0, '', sqlc.arg(now), 0);

-- The last recorded occurrence of each step, and the last version that recorded one.
-- name: LastOccurrences :many
SELECT o.step_id, CAST(MAX(o.scheduled_for) AS SIGNED) AS scheduled_for, CAST(MAX(o.version) AS SIGNED) AS version FROM campaign_occurrence o
WHERE o.campaign_id = sqlc.arg(campaign_id) AND o.part = 0 GROUP BY o.step_id;

-- name: Occurrences :many
SELECT * FROM campaign_occurrence WHERE campaign_id = sqlc.arg(campaign_id) ORDER BY scheduled_for DESC, step_id, part LIMIT ?;

-- Occurrences that wait for somebody to stage them, of campaigns that go on: those that
-- were not begun first, or they would wait for the whole audiences of those that were.
-- name: DueOccurrences :many
SELECT o.* FROM campaign_occurrence o JOIN campaign c ON c.id = o.campaign_id
WHERE o.state = 'due' AND o.due_at <= sqlc.arg(now) AND o.leased_until <= sqlc.arg(free_at) AND c.state IN ('scheduled', 'canary', 'running')
ORDER BY CASE WHEN o.lease_token = '' THEN 0 ELSE 1 END, o.due_at, o.step_id LIMIT ?;

-- name: LeaseOccurrence :execrows
UPDATE campaign_occurrence SET lease_token = sqlc.arg(token), leased_until = sqlc.arg(leased_until)
WHERE step_id = sqlc.arg(step_id) AND scheduled_for = sqlc.arg(scheduled_for) AND part = sqlc.arg(part) AND state = 'due' AND leased_until <= sqlc.arg(now);

-- Whoever held the lease at last says what became of it; all that stage it say the
-- same.
-- name: SettleOccurrence :execrows
UPDATE campaign_occurrence SET state = sqlc.arg(state), frozen_id = sqlc.arg(frozen_id), total = sqlc.arg(total), why = sqlc.arg(why), staged_at = sqlc.arg(now), leased_until = 0
WHERE step_id = sqlc.arg(step_id) AND scheduled_for = sqlc.arg(scheduled_for) AND part = sqlc.arg(part) AND state = 'due';

-- What is not handed over yet ends no later than its campaign; what that one's end had cut
-- has as much more as its step lasts.
-- name: EndOccurrences :exec
UPDATE campaign_occurrence
SET ends_at = CASE WHEN ends_at >= sqlc.arg(ends_at) THEN sqlc.arg(ends_at) WHEN due_at + sqlc.arg(lasts) >= sqlc.arg(ends_at) THEN sqlc.arg(ends_at)
    WHEN due_at + sqlc.arg(lasts) > ends_at THEN due_at + sqlc.arg(lasts) ELSE ends_at END
WHERE campaign_id = sqlc.arg(campaign_id) AND step_id = sqlc.arg(step_id) AND state = 'due';

-- A failed try waits a little; one that comes to its end in another turn keeps its token.
-- name: PutOff :exec
UPDATE campaign_occurrence SET leased_until = sqlc.arg(free_at), lease_token = sqlc.arg(next_token), why = sqlc.arg(why)
WHERE step_id = sqlc.arg(step_id) AND scheduled_for = sqlc.arg(scheduled_for) AND part = sqlc.arg(part) AND state = 'due' AND lease_token = sqlc.arg(token);

-- name: OpenOccurrences :one
SELECT COUNT(*) FROM campaign_occurrence WHERE campaign_id = ? AND state = 'due';

-- Tests that wait for their winner, of steps that have a rule.
-- name: Tests :many
SELECT o.* FROM campaign_occurrence o
WHERE o.campaign_id = sqlc.arg(campaign_id) AND o.part = 0 AND o.state = 'staged' AND o.step_id IN (sqlc.slice(steps))
  AND NOT EXISTS (SELECT 1 FROM campaign_occurrence r WHERE r.step_id = o.step_id AND r.scheduled_for = o.scheduled_for AND r.part = 1)
ORDER BY o.scheduled_for LIMIT ?;

-- A pause is over: what was pushed before it had so much less time.
-- name: HeldOccurrences :exec
UPDATE campaign_occurrence SET held_ms = held_ms + sqlc.arg(held) WHERE campaign_id = sqlc.arg(campaign_id) AND part = 0 AND state = 'staged';

-- The version by which the variants of a push were tried.
-- name: TestedBy :one
SELECT version FROM campaign_occurrence WHERE step_id = ? AND scheduled_for = ? AND part = 0;

-- name: InsertSignal :exec
INSERT INTO campaign_signal (step_id, member_id, ref, campaign_id, happened_at, due_at, taken_for)
VALUES (sqlc.arg(step_id), sqlc.arg(member_id), sqlc.arg(ref), sqlc.arg(campaign_id), sqlc.arg(happened_at), sqlc.arg(due_at), 0);

-- name: SignalsDue :one
SELECT COUNT(*) FROM campaign_signal WHERE step_id = sqlc.arg(step_id) AND taken_for = 0 AND due_at <= sqlc.arg(now);

-- name: TakeSignals :execrows
UPDATE campaign_signal SET taken_for = sqlc.arg(taken_for) WHERE step_id = sqlc.arg(step_id) AND taken_for = 0 AND due_at <= sqlc.arg(now);

-- A member to whom it happened twice is told once.
-- name: SignalMembers :many
SELECT DISTINCT member_id FROM campaign_signal WHERE step_id = sqlc.arg(step_id) AND taken_for = sqlc.arg(taken_for) AND member_id > sqlc.arg(after)
ORDER BY member_id LIMIT ?;

-- name: Watch :one
SELECT * FROM campaign_watch WHERE step_id = ?;

-- name: WatchesOf :many
SELECT * FROM campaign_watch WHERE step_id IN (sqlc.slice(steps));

-- name: InsertWatch :exec
INSERT INTO campaign_watch (step_id, campaign_id, baseline_id, round_at, after_id, done_at, leased_until, lease_token)
VALUES (sqlc.arg(step_id), sqlc.arg(campaign_id), sqlc.arg(baseline_id), sqlc.arg(round_at), 0, 0, 0, '');

-- name: LeaseWatch :execrows
UPDATE campaign_watch SET lease_token = sqlc.arg(token), leased_until = sqlc.arg(leased_until)
WHERE step_id = sqlc.arg(step_id) AND leased_until <= sqlc.arg(now);

-- The round before is noted first, when it was not ended, and this one begins where it
-- stopped: MariaDB goes from left to right.
-- name: NextRound :execrows
UPDATE campaign_watch SET cut_at = CASE WHEN done_at = 0 THEN round_at ELSE 0 END, round_at = sqlc.arg(round_at),
    from_id = CASE WHEN done_at = 0 THEN after_id ELSE 0 END, after_id = CASE WHEN done_at = 0 THEN after_id ELSE 0 END, done_at = 0, unheard = 0
WHERE step_id = sqlc.arg(step_id) AND lease_token = sqlc.arg(token) AND round_at < sqlc.arg(round_at);

-- name: AdvanceWatch :execrows
UPDATE campaign_watch SET after_id = sqlc.arg(after_id), done_at = sqlc.arg(done_at), unheard = unheard + sqlc.arg(unheard), leased_until = sqlc.arg(leased_until)
WHERE step_id = sqlc.arg(step_id) AND lease_token = sqlc.arg(token);

-- segment and condition are a name with its value, as the JSON of a plan has them.
-- name: PlansNaming :many
SELECT c.name FROM campaign c
WHERE EXISTS (
    SELECT 1 FROM campaign_version v WHERE v.campaign_id = c.id AND v.state NOT IN ('draft', 'old')
      AND (INSTR(v.plan, sqlc.arg(segment)) > 0 OR INSTR(v.plan, sqlc.arg(condition)) > 0))
ORDER BY c.id DESC LIMIT ?;

-- Those of campaigns that are not over.
-- name: PlansUsing :many
SELECT c.name FROM campaign c
WHERE c.state NOT IN ('stopped', 'finished') AND EXISTS (
    SELECT 1 FROM campaign_version v WHERE v.campaign_id = c.id AND v.state NOT IN ('draft', 'old')
      AND (INSTR(v.plan, sqlc.arg(segment)) > 0 OR INSTR(v.plan, sqlc.arg(condition)) > 0))
ORDER BY c.id DESC LIMIT ?;
