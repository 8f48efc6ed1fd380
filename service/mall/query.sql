-- Statements of the mall. Each is repeated as it is when its transaction lost a
-- deadlock.

-- name: InsertGift :exec
INSERT INTO mall_gift (id, category, kind, title, description, picture, points, fen, tier, each_limit, total, reserved, starts_at, ends_at, cancellable, extend_days, spec, state, position, version, created_at, updated_at)
VALUES (sqlc.arg(id), sqlc.arg(category), sqlc.arg(kind), sqlc.arg(title), sqlc.arg(description), sqlc.arg(picture), sqlc.arg(points), sqlc.arg(fen), sqlc.arg(tier), sqlc.arg(each_limit), sqlc.arg(total), 0, sqlc.arg(starts_at), sqlc.arg(ends_at), sqlc.arg(cancellable), sqlc.arg(extend_days), sqlc.arg(spec), 'off', sqlc.arg(position), 1, sqlc.arg(created_at), sqlc.arg(created_at));

-- No row changes when somebody else edited the gift meanwhile, or when fewer would
-- be left than are promised.
-- name: UpdateGift :execrows
UPDATE mall_gift
SET category = sqlc.arg(category), title = sqlc.arg(title), description = sqlc.arg(description), picture = sqlc.arg(picture),
    points = sqlc.arg(points), fen = sqlc.arg(fen), tier = sqlc.arg(tier), each_limit = sqlc.arg(each_limit), total = sqlc.arg(total),
    starts_at = sqlc.arg(starts_at), ends_at = sqlc.arg(ends_at), cancellable = sqlc.arg(cancellable), extend_days = sqlc.arg(extend_days),
    spec = sqlc.arg(spec), state = sqlc.arg(state), position = sqlc.arg(position), version = version + 1, updated_at = sqlc.arg(updated_at)
WHERE id = sqlc.arg(id) AND version = sqlc.arg(version) AND reserved <= sqlc.arg(total);

-- name: Gift :one
SELECT * FROM mall_gift WHERE id = ?;

-- name: AllGifts :many
SELECT * FROM mall_gift WHERE id < sqlc.arg(before) AND (sqlc.arg(words) = '' OR INSTR(LOWER(title), LOWER(sqlc.arg(words))) > 0) ORDER BY id DESC LIMIT ?;

-- name: GiftsAfter :many
SELECT * FROM mall_gift
WHERE state = 'on' AND position >= sqlc.arg(after_position)
  AND (position > sqlc.arg(after_position) OR (position = sqlc.arg(after_position) AND id > sqlc.arg(after_id)))
  AND starts_at <= sqlc.arg(now) AND ends_at > sqlc.arg(now)
ORDER BY position, id LIMIT ?;

-- name: GiftsOfAfter :many
SELECT * FROM mall_gift
WHERE state = 'on' AND position >= sqlc.arg(after_position)
  AND (position > sqlc.arg(after_position) OR (position = sqlc.arg(after_position) AND id > sqlc.arg(after_id)))
  AND starts_at <= sqlc.arg(now) AND ends_at > sqlc.arg(now) AND category = sqlc.arg(category)
ORDER BY position, id LIMIT ?;

-- name: Categories :many
SELECT category FROM mall_gift
WHERE state = 'on' AND starts_at <= sqlc.arg(now) AND ends_at > sqlc.arg(now)
GROUP BY category ORDER BY MIN(position), category LIMIT ?;

-- What points alone buy and needs no address.
-- name: GiftsFor :many
SELECT * FROM mall_gift
WHERE state = 'on' AND starts_at <= sqlc.arg(now) AND ends_at > sqlc.arg(now)
  AND fen = 0 AND kind <> 'physical' AND points <= sqlc.arg(points) AND tier <= sqlc.arg(tier) AND reserved < total
ORDER BY position, id LIMIT ?;

-- name: TakenOf :many
SELECT gift_id, CAST(COUNT(*) AS SIGNED) AS taken FROM mall_redemption
WHERE gift_id IN (sqlc.slice(gifts)) AND member_id = sqlc.arg(member_id) AND state NOT IN ('failed', 'cancelled', 'refused') GROUP BY gift_id;

-- name: CarrierGifts :many
SELECT id, spec FROM mall_gift WHERE kind = 'carrier' AND id < sqlc.arg(before) ORDER BY id DESC LIMIT ?;

-- name: Took :many
SELECT member_id, CAST(COUNT(*) AS SIGNED) AS n FROM mall_redemption
WHERE gift_id IN (sqlc.slice(gifts)) AND member_id IN (sqlc.slice(members)) AND created_at >= sqlc.arg(since) AND created_at < sqlc.arg(before)
  AND state NOT IN ('paying', 'failed', 'cancelled', 'refused')
GROUP BY member_id;

-- The hot row: last in its transaction. No row changes when nothing is left, when the
-- gift is not what the member was shown, or when he became another member meanwhile.
-- name: ReserveGift :execrows
UPDATE mall_gift SET reserved = reserved + 1
WHERE id = sqlc.arg(id) AND version = sqlc.arg(version) AND state = 'on' AND reserved < total
  AND NOT EXISTS (SELECT 1 FROM mall_merged m WHERE m.from_id = sqlc.arg(member_id));

-- name: ReleaseGift :execrows
UPDATE mall_gift SET reserved = reserved - 1 WHERE id = sqlc.arg(id) AND reserved > 0;

-- What a member has or will get of a gift; nth is NULL where there was no limit then.
-- name: TakenNth :many
SELECT nth FROM mall_redemption
WHERE gift_id = sqlc.arg(gift_id) AND member_id = sqlc.arg(member_id) AND state NOT IN ('failed', 'cancelled', 'refused') ORDER BY nth LIMIT ?;

-- Answers a duplicate key for a request that was used before and for an nth that is
-- taken.
-- name: InsertRedemption :exec
INSERT INTO mall_redemption (id, member_id, gift_id, nth, request_id, body_hash, kind, title, points, fen, cancellable, extend_days, spec, delivery, hold_id, state, reason, code, carrier_no, parcel, attempts, next_at, created_at, updated_at, refusal)
VALUES (sqlc.arg(id), sqlc.arg(member_id), sqlc.arg(gift_id), sqlc.arg(nth), sqlc.arg(request_id), sqlc.arg(body_hash), sqlc.arg(kind), sqlc.arg(title), sqlc.arg(points), sqlc.arg(fen), sqlc.arg(cancellable), sqlc.arg(extend_days), sqlc.arg(spec), sqlc.arg(delivery), 0, sqlc.arg(state), sqlc.arg(reason), '', '', '', 0, sqlc.arg(next_at), sqlc.arg(created_at), sqlc.arg(created_at), sqlc.arg(refusal));

-- name: SetHold :exec
UPDATE mall_redemption SET hold_id = sqlc.arg(hold_id) WHERE id = sqlc.arg(id);

-- name: Redemption :one
SELECT * FROM mall_redemption WHERE id = ?;

-- name: RedemptionByRequest :one
SELECT * FROM mall_redemption WHERE member_id = sqlc.arg(member_id) AND request_id = sqlc.arg(request_id);

-- name: Redemptions :many
SELECT * FROM mall_redemption
WHERE member_id = sqlc.arg(member_id) AND id < sqlc.arg(before) AND refusal IS NULL ORDER BY id DESC LIMIT ?;

-- A queue of parcels: the next_at that they have in common.
-- name: Parcels :many
SELECT * FROM mall_redemption
WHERE next_at = sqlc.arg(next_at) AND id > sqlc.arg(after_id) AND kind = 'physical' ORDER BY id LIMIT ?;

-- name: Due :many
SELECT id, next_at FROM mall_redemption
WHERE next_at <= sqlc.arg(now) AND next_at >= sqlc.arg(after_next)
  AND (next_at > sqlc.arg(after_next) OR (next_at = sqlc.arg(after_next) AND id > sqlc.arg(after_id)))
ORDER BY next_at, id LIMIT ?;

-- Promised before and still not known to be handed over; member_id 0 is everybody. What
-- people do by hand waits for ever and is left out by next_at. The order is one that a
-- try does not change, so that the pages hold.
-- name: Stuck :many
SELECT id, member_id, gift_id, kind, title, state, attempts, carrier_no, next_at, created_at, updated_at FROM mall_redemption
WHERE next_at <= sqlc.arg(soon) AND created_at <= sqlc.arg(before) AND state IN ('accepted', 'submitting', 'working', 'unknown')
  AND (created_at > sqlc.arg(after_created) OR (created_at = sqlc.arg(after_created) AND id > sqlc.arg(after_id)))
  AND (sqlc.arg(member_id) = 0 OR member_id = sqlc.arg(member_id))
ORDER BY created_at, id LIMIT ?;

-- The one who changes the row calls the carrier; attempts is his token.
-- name: Claim :execrows
UPDATE mall_redemption SET state = 'submitting', attempts = attempts + 1, next_at = sqlc.arg(lease_until), updated_at = sqlc.arg(now)
WHERE id = sqlc.arg(id) AND state = sqlc.arg(state) AND attempts = sqlc.arg(attempts) AND next_at <= sqlc.arg(now);

-- name: Settle :execrows
UPDATE mall_redemption SET state = sqlc.arg(state), reason = sqlc.arg(reason), carrier_no = sqlc.arg(carrier_no), next_at = sqlc.arg(next_at), updated_at = sqlc.arg(now)
WHERE id = sqlc.arg(id) AND state = 'submitting' AND attempts = sqlc.arg(attempts);

-- A final state that gives everything back; no row changes from another state.
-- name: TakeBack :execrows
UPDATE mall_redemption SET state = sqlc.arg(state), reason = sqlc.arg(reason), nth = NULL, next_at = sqlc.arg(next_at), updated_at = sqlc.arg(now)
WHERE id = sqlc.arg(id) AND state = sqlc.arg(was) AND attempts = sqlc.arg(attempts);

-- What the carrier's people said; no row changes when it was asked about meanwhile.
-- name: SayGiven :execrows
UPDATE mall_redemption SET state = 'fulfilled', carrier_no = sqlc.arg(carrier_no), next_at = sqlc.arg(next_at), updated_at = sqlc.arg(now)
WHERE id = sqlc.arg(id) AND state = sqlc.arg(was) AND attempts = sqlc.arg(attempts);

-- name: SetReason :execrows
UPDATE mall_redemption SET reason = sqlc.arg(reason) WHERE id = sqlc.arg(id);

-- name: Advance :execrows
UPDATE mall_redemption SET state = sqlc.arg(state), next_at = sqlc.arg(next_at), code = sqlc.arg(code), parcel = sqlc.arg(parcel), updated_at = sqlc.arg(now)
WHERE id = sqlc.arg(id) AND state = sqlc.arg(was);

-- name: KnownCoupons :many
SELECT code_key FROM mall_coupon WHERE gift_id = sqlc.arg(gift_id) AND code_key IN (sqlc.slice(code_keys));

-- name: AddStock :execrows
UPDATE mall_gift SET total = total + sqlc.arg(n), version = version + 1 WHERE id = sqlc.arg(id) AND kind = 'coupon';

-- name: FreeCoupons :many
SELECT id, code FROM mall_coupon WHERE gift_id = sqlc.arg(gift_id) AND redemption_id = 0 ORDER BY id LIMIT ?;

-- name: TakeCoupon :execrows
UPDATE mall_coupon SET redemption_id = sqlc.arg(redemption_id) WHERE id = sqlc.arg(id) AND redemption_id = 0;

-- name: ForgetRefused :exec
DELETE FROM mall_redemption WHERE id = sqlc.arg(id) AND refusal IS NOT NULL;

-- Answers a duplicate key when the member was merged before.
-- name: InsertMerged :exec
INSERT INTO mall_merged (from_id, into_id, created_at) VALUES (sqlc.arg(from_id), sqlc.arg(into_id), sqlc.arg(created_at));

-- Whoever was merged into the absorbed one is now merged into his successor.
-- name: MergeEarlier :exec
UPDATE mall_merged SET into_id = sqlc.arg(into_id) WHERE into_id = sqlc.arg(from_id);

-- name: MergedInto :one
SELECT into_id FROM mall_merged WHERE from_id = sqlc.arg(from_id);

-- name: LastNth :one
SELECT CAST(COALESCE(MAX(nth), 0) AS SIGNED) AS last_nth FROM mall_redemption WHERE member_id = sqlc.arg(member_id);

-- Request ids that both members used.
-- name: SharedRequests :many
SELECT f.id FROM mall_redemption f JOIN mall_redemption i ON i.member_id = sqlc.arg(into_id) AND i.request_id = f.request_id
WHERE f.member_id = sqlc.arg(from_id) ORDER BY f.id LIMIT ?;

-- name: RenameRequest :exec
UPDATE mall_redemption SET request_id = sqlc.arg(request_id) WHERE id = sqlc.arg(id);

-- Each nth lands above every one of the successor's.
-- name: OwnRedemptions :exec
UPDATE mall_redemption SET member_id = sqlc.arg(into_id), nth = nth + sqlc.arg(above) WHERE member_id = sqlc.arg(from_id);

-- name: OpenRedemptions :many
SELECT * FROM mall_redemption
WHERE member_id = sqlc.arg(member_id) AND id > sqlc.arg(after) AND state NOT IN ('fulfilled', 'failed', 'cancelled', 'refused')
ORDER BY id LIMIT ?;

-- name: ShredRedemptions :exec
UPDATE mall_redemption SET delivery = '', code = '' WHERE member_id = sqlc.arg(member_id) AND state IN ('shipped', 'fulfilled', 'failed', 'cancelled', 'refused');
