-- name: InsertGame :exec
INSERT INTO redpacket_game (id, name, starts_at, ends_at, budget, rules, stopped_at, stopped_why, created_at)
VALUES (?, ?, ?, ?, ?, ?, 0, '', ?);

-- name: Game :one
SELECT id, rules, stopped_at, stopped_why, created_at FROM redpacket_game WHERE id = ?;

-- Games that run or will; the newest end first.
-- name: RunningGames :many
SELECT id, rules, stopped_at, stopped_why, created_at FROM redpacket_game
WHERE ends_at > sqlc.arg(now) AND starts_at <= sqlc.arg(now) AND stopped_at = 0
ORDER BY ends_at DESC, id LIMIT ?;

-- The kill switch. No row changes when the game is stopped already.
-- name: StopGame :execrows
UPDATE redpacket_game SET stopped_at = ?, stopped_why = ? WHERE id = ? AND stopped_at = 0;

-- name: ResumeGame :execrows
UPDATE redpacket_game SET stopped_at = 0, stopped_why = '' WHERE id = ?;

-- name: InsertSlice :exec
INSERT INTO redpacket_slice (game_id, slice, amount, reserved, spent) VALUES (?, ?, ?, 0, 0);

-- name: Slices :many
SELECT slice, amount, reserved, spent FROM redpacket_slice WHERE game_id = ? ORDER BY slice;

-- Reserves, and moves budget between slices; no row changes when the slice would be
-- overdrawn.
-- name: ReserveSlice :execrows
UPDATE redpacket_slice SET amount = amount + sqlc.arg(moved), reserved = reserved + sqlc.arg(more)
WHERE game_id = sqlc.arg(game_id) AND slice = sqlc.arg(slice)
  AND reserved + spent + sqlc.arg(more) <= amount + sqlc.arg(moved);

-- Gives a reservation back and books what of it was spent (spent <= released).
-- name: SettleSlice :execrows
UPDATE redpacket_slice SET reserved = reserved - sqlc.arg(released), spent = spent + sqlc.arg(paid)
WHERE game_id = sqlc.arg(game_id) AND slice = sqlc.arg(slice) AND reserved >= sqlc.arg(released);

-- name: Pot :one
SELECT id, game_id, owner_id, nth, request_id, n, target, split, slice, seed_sealed, commitment, state,
       ends_at, created_at, done_at, helps, won, took
FROM pot WHERE id = ?;

-- name: PotState :one
SELECT state FROM pot WHERE id = ?;

-- name: PotsByID :many
SELECT id, game_id, owner_id, nth, request_id, n, target, split, slice, seed_sealed, commitment, state,
       ends_at, created_at, done_at, helps, won, took
FROM pot WHERE id IN (sqlc.slice(ids)) ORDER BY id;

-- What a group of openings may meet: the owners' pots in this game, and any pot that
-- one of the requests has opened.
-- name: PotsOfOwners :many
SELECT id, owner_id, nth, request_id, game_id FROM pot
WHERE owner_id IN (sqlc.slice(owners)) AND (game_id = sqlc.arg(game_id) OR request_id IN (sqlc.slice(requests)))
ORDER BY id;

-- name: PotOfRequest :one
SELECT id, game_id FROM pot WHERE owner_id IN (sqlc.slice(owners)) AND request_id = sqlc.arg(request_id) ORDER BY owner_id LIMIT 1;

-- name: PotsOfOwner :many
SELECT id, game_id, n, target, state, ends_at, created_at, done_at, helps FROM pot
WHERE owner_id IN (sqlc.slice(owners)) AND id < sqlc.arg(id) ORDER BY id DESC LIMIT ?;

-- name: CountPotsOfOwner :one
SELECT COUNT(*) FROM pot WHERE owner_id IN (sqlc.slice(owners)) AND game_id = sqlc.arg(game_id);

-- Open pots whose time is over, the oldest first, from the one after the given. Left
-- alone, MariaDB begins each page at the first open pot where many are over.
-- name: DuePots :many
SELECT id, n, ends_at FROM pot /*! FORCE INDEX (pot_ending) */
WHERE state = 'open' AND ends_at <= sqlc.arg(now) AND ends_at >= sqlc.arg(after_at)
  AND (ends_at > sqlc.arg(after_at) OR (ends_at = sqlc.arg(after_at) AND id > sqlc.arg(after_id)))
ORDER BY ends_at, id LIMIT ?;

-- Open pots whose last slot has a row: the ones that may be full.
-- name: FillCandidates :many
SELECT p.id FROM pot p JOIN pot_help h ON h.pot_id = p.id AND h.k = p.n
WHERE p.state = 'open' AND p.id > ? ORDER BY p.id LIMIT ?;

-- Takes the row lock of an open pot (the one-transaction version).
-- name: LockOpenPot :execrows
UPDATE pot SET state = 'open' WHERE id = ? AND state = 'open' AND ends_at > ?;

-- name: LastSlot :one
SELECT CAST(COALESCE(MAX(k), 0) AS SIGNED) AS k FROM pot_help WHERE pot_id = ?;

-- name: InsertHelp :exec
INSERT INTO pot_help (pot_id, k, helper_id, request_id, game_id, day, nth, share, shown, created_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: HelpsOfPot :many
SELECT k, helper_id, request_id, day, nth, share, shown, created_at FROM pot_help WHERE pot_id = ? ORDER BY k;

-- What Redis must know of a group of pots.
-- name: StandingOfPots :many
SELECT pot_id, k, helper_id, request_id, day FROM pot_help WHERE pot_id IN (sqlc.slice(pots)) ORDER BY pot_id, k;

-- name: HelpsOfPots :many
SELECT pot_id, k, helper_id, nth, share, created_at FROM pot_help WHERE pot_id IN (sqlc.slice(pots)) ORDER BY pot_id, k;

-- How full a group of pots is: rows, and how many of them are void.
-- name: Fullness :many
SELECT pot_id, COUNT(*) AS held, CAST(SUM(CASE WHEN nth IS NULL THEN 1 ELSE 0 END) AS SIGNED) AS voids
FROM pot_help WHERE pot_id IN (sqlc.slice(pots)) GROUP BY pot_id;

-- name: OwnHelp :one
SELECT k, request_id, share, day FROM pot_help WHERE pot_id = ? AND helper_id = ?;

-- name: DayOfHelper :many
SELECT pot_id, nth FROM pot_help WHERE helper_id = ? AND game_id = ? AND day = ?;

-- name: Progress :one
SELECT COUNT(nth) AS helps, CAST(COALESCE(SUM(share), 0) AS SIGNED) AS collected FROM pot_help WHERE pot_id = ?;

-- Helpers who agreed to be shown.
-- name: ShownHelps :many
SELECT k, helper_id, share, created_at FROM pot_help
WHERE pot_id = ? AND shown = TRUE AND nth IS NOT NULL ORDER BY k LIMIT ?;

-- Sorts all helps of a member, a few hundred: an index on the instant would cost every
-- help of everybody.
-- name: HelpsOfHelper :many
SELECT h.pot_id, h.game_id, h.k, h.share, h.day, h.created_at, p.owner_id, p.state, p.n, p.target, p.ends_at
FROM pot_help h JOIN pot p ON p.id = h.pot_id
WHERE h.helper_id IN (sqlc.slice(helpers)) AND h.created_at <= sqlc.arg(at) AND (h.created_at < sqlc.arg(at) OR h.pot_id < sqlc.arg(pot))
ORDER BY h.created_at DESC, h.pot_id DESC LIMIT ?;

-- The helps of a pot without its voids, the earliest slots first.
-- name: RealHelps :many
SELECT helper_id, created_at FROM pot_help WHERE pot_id = ? AND k > ? AND nth IS NOT NULL ORDER BY k LIMIT ?;

-- Whose pots a group of members helps in a game, and how often.
-- name: HelpedOwners :many
SELECT h.helper_id, p.owner_id, COUNT(*) AS helps
FROM pot_help h JOIN pot p ON p.id = h.pot_id
WHERE h.helper_id IN (sqlc.slice(helpers)) AND h.game_id = sqlc.arg(game_id)
GROUP BY h.helper_id, p.owner_id;

-- name: GamesAfter :many
SELECT id, rules, stopped_at, stopped_why, created_at FROM redpacket_game WHERE id > ? ORDER BY id LIMIT ?;

-- The games, the newest first.
-- name: GamesBefore :many
SELECT id, rules, stopped_at, stopped_why, created_at FROM redpacket_game WHERE id < ? ORDER BY id DESC LIMIT ?;

-- name: PotsAfter :many
SELECT id, game_id, owner_id, nth, request_id, n, target, split, slice, seed_sealed, commitment, state,
       ends_at, created_at, done_at, helps, won, took
FROM pot WHERE id > ? ORDER BY id LIMIT ?;

-- What pots have won, for the comparison with the payouts.
-- name: WonAfter :many
SELECT id, game_id, owner_id, won, done_at FROM pot WHERE id > ? AND won > 0 ORDER BY id LIMIT ?;

-- The boards name who an owner is now: somebody who became part of a member counts as
-- that member.
-- name: Fastest :many
SELECT p.id, CAST(COALESCE(j.member_id, p.owner_id) AS SIGNED) AS player, p.took, p.helps
FROM pot p LEFT JOIN redpacket_join j ON j.game_id = p.game_id AND j.former_id = p.owner_id
WHERE p.game_id = ? AND p.state = 'filled' ORDER BY p.took, p.id LIMIT ?;

-- name: MostHelped :many
SELECT CAST(COALESCE(j.member_id, p.owner_id) AS SIGNED) AS player, CAST(SUM(p.helps) AS SIGNED) AS helps
FROM pot p LEFT JOIN redpacket_join j ON j.game_id = p.game_id AND j.former_id = p.owner_id
WHERE p.game_id = ? AND p.state = 'filled' GROUP BY player ORDER BY helps DESC, player LIMIT ?;

-- name: PotsOpened :many
SELECT id, owner_id FROM pot
WHERE owner_id IN (sqlc.slice(owners)) AND game_id = sqlc.arg(game_id) AND created_at >= sqlc.arg(since) AND created_at < sqlc.arg(before)
ORDER BY id LIMIT ?;

-- The friends of some pots; a row of nobody has a helper below 0.
-- name: HelpersOf :many
SELECT pot_id, helper_id, created_at FROM pot_help
WHERE pot_id IN (sqlc.slice(pots)) AND helper_id > 0 AND created_at < sqlc.arg(before) ORDER BY pot_id, k LIMIT ?;

-- name: FirstHelps :many
SELECT helper_id, CAST(MIN(created_at) AS SIGNED) AS first_at FROM pot_help
WHERE helper_id IN (sqlc.slice(helpers)) AND game_id = sqlc.arg(game_id) GROUP BY helper_id;

-- The games that a member has played.
-- name: GamesOfMember :many
SELECT game_id FROM pot WHERE owner_id = sqlc.arg(member) UNION SELECT game_id FROM pot_help WHERE helper_id = sqlc.arg(member);

-- name: InsertJoin :exec
INSERT INTO redpacket_join (game_id, former_id, member_id, joined_at) VALUES (?, ?, ?, ?);

-- Those who became part of a member go with him when he becomes part of another.
-- name: MoveJoins :exec
UPDATE redpacket_join SET member_id = sqlc.arg(into_id) WHERE member_id = sqlc.arg(from_id);

-- name: JoinsOfGame :many
SELECT former_id, member_id FROM redpacket_join WHERE game_id = ? ORDER BY joined_at DESC, former_id LIMIT ?;

-- name: FormersOf :many
SELECT DISTINCT former_id FROM redpacket_join WHERE member_id = ? ORDER BY former_id LIMIT ?;
-- name: InsertDraft :exec
INSERT INTO redpacket_draft (id, rules, revision, made_by, created_at, updated_at) VALUES (?, ?, 1, ?, ?, ?);

-- name: CountDrafts :one
SELECT COUNT(*) FROM redpacket_draft;

-- name: Drafts :many
SELECT id, rules, revision, made_by, created_at, updated_at FROM redpacket_draft ORDER BY id LIMIT ?;

-- name: Draft :one
SELECT id, rules, revision, made_by, created_at, updated_at FROM redpacket_draft WHERE id = ?;

-- name: EditDraft :execrows
UPDATE redpacket_draft SET rules = sqlc.arg(rules), revision = revision + 1, updated_at = sqlc.arg(now)
WHERE id = sqlc.arg(id) AND revision = sqlc.arg(revision) AND made_by = sqlc.arg(made_by);

-- name: DropDraft :execrows
DELETE FROM redpacket_draft WHERE id = sqlc.arg(id) AND made_by = sqlc.arg(made_by);

-- Takes a draft that somebody else made, as it was read.
-- name: TakeDraft :execrows
DELETE FROM redpacket_draft
WHERE id = sqlc.arg(id) AND revision = sqlc.arg(revision) AND made_by <> sqlc.arg(checked_by);
