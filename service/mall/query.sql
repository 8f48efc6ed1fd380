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

-- name: GiftsAfter :many
SELECT * FROM mall_gift
WHERE state = 'on' AND position >= sqlc.arg(after_position)
  AND (position > sqlc.arg(after_position) OR (position = sqlc.arg(after_position) AND id > sqlc.arg(after_id)))
  AND starts_at <= sqlc.arg(now) AND ends_at > sqlc.arg(now)
ORDER BY position, id LIMIT ?;

-- The hot row: last in its transaction. No row changes when nothing is left or when
-- the gift is not what the member was shown.
-- name: ReserveGift :execrows
UPDATE mall_gift SET reserved = reserved + 1
WHERE id = sqlc.arg(id) AND version = sqlc.arg(version) AND state = 'on' AND reserved < total;

-- name: ReleaseGift :execrows
UPDATE mall_gift SET reserved = reserved - 1 WHERE id = sqlc.arg(id) AND reserved > 0;

-- name: TakenNth :many
SELECT nth FROM mall_redemption
WHERE gift_id = sqlc.arg(gift_id) AND member_id = sqlc.arg(member_id) AND nth > 0 ORDER BY nth LIMIT ?;

-- Answers a duplicate key for a request that was used before and for an nth that is
-- taken.
-- name: InsertRedemption :exec
INSERT INTO mall_redemption (id, member_id, gift_id, nth, request_id, body_hash, kind, title, points, fen, cancellable, extend_days, spec, delivery, hold_id, state, reason, code, carrier_no, parcel, attempts, next_at, created_at, updated_at)
VALUES (sqlc.arg(id), sqlc.arg(member_id), sqlc.arg(gift_id), sqlc.arg(nth), sqlc.arg(request_id), sqlc.arg(body_hash), sqlc.arg(kind), sqlc.arg(title), sqlc.arg(points), sqlc.arg(fen), sqlc.arg(cancellable), sqlc.arg(extend_days), sqlc.arg(spec), sqlc.arg(delivery), 0, sqlc.arg(state), '', '', '', '', 0, sqlc.arg(next_at), sqlc.arg(created_at), sqlc.arg(created_at));

-- name: SetHold :exec
UPDATE mall_redemption SET hold_id = sqlc.arg(hold_id) WHERE id = sqlc.arg(id);

-- name: Redemption :one
SELECT * FROM mall_redemption WHERE id = ?;

-- name: RedemptionByRequest :one
SELECT * FROM mall_redemption WHERE member_id = sqlc.arg(member_id) AND request_id = sqlc.arg(request_id);

-- name: Redemptions :many
SELECT * FROM mall_redemption WHERE member_id = sqlc.arg(member_id) AND id < sqlc.arg(before) ORDER BY id DESC LIMIT ?;

-- name: Due :many
SELECT id, next_at FROM mall_redemption
WHERE next_at <= sqlc.arg(now) AND next_at >= sqlc.arg(after_next)
  AND (next_at > sqlc.arg(after_next) OR (next_at = sqlc.arg(after_next) AND id > sqlc.arg(after_id)))
ORDER BY next_at, id LIMIT ?;

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

-- name: Advance :execrows
UPDATE mall_redemption SET state = sqlc.arg(state), next_at = sqlc.arg(next_at), code = sqlc.arg(code), parcel = sqlc.arg(parcel), updated_at = sqlc.arg(now)
WHERE id = sqlc.arg(id) AND state = sqlc.arg(was);

-- name: InsertCoupon :exec
INSERT INTO mall_coupon (id, gift_id, code_key, code, redemption_id, created_at)
VALUES (sqlc.arg(id), sqlc.arg(gift_id), sqlc.arg(code_key), sqlc.arg(code), 0, sqlc.arg(created_at));

-- name: AddStock :execrows
UPDATE mall_gift SET total = total + sqlc.arg(n), version = version + 1 WHERE id = sqlc.arg(id) AND kind = 'coupon';

-- name: FreeCoupons :many
SELECT id, code FROM mall_coupon WHERE gift_id = sqlc.arg(gift_id) AND redemption_id = 0 ORDER BY id LIMIT ?;

-- name: TakeCoupon :execrows
UPDATE mall_coupon SET redemption_id = sqlc.arg(redemption_id) WHERE id = sqlc.arg(id) AND redemption_id = 0;
