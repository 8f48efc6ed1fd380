-- Statements of the audience. Each is repeated as it is when its transaction lost
-- a deadlock. Inserts of several rows and the conditions of segments are built in
-- Go, with every value bound (rows.go, compile.go).

-- name: Portrait :one
SELECT * FROM audience_portrait WHERE member_id = sqlc.arg(member_id);

-- name: PortraitsAfter :many
SELECT * FROM audience_portrait WHERE member_id > sqlc.arg(member_id) ORDER BY member_id LIMIT ?;

-- name: PortraitsOf :many
SELECT * FROM audience_portrait WHERE member_id IN (sqlc.slice(ids));

-- Takes the lock on a member's row; no row when he has none.
-- name: LockPortrait :execrows
UPDATE audience_portrait SET staged_at = staged_at WHERE member_id = sqlc.arg(member_id);

-- name: LockPortraits :exec
UPDATE audience_portrait SET staged_at = staged_at WHERE member_id IN (sqlc.slice(ids));

-- No row changes when what the stage was found from changed meanwhile: whoever changed it
-- has found the stage.
-- name: SetStage :execrows
UPDATE audience_portrait SET stage = sqlc.arg(stage), staged_at = sqlc.arg(staged_at)
WHERE member_id = sqlc.arg(member_id) AND follows = sqlc.arg(follows) AND bound_at = sqlc.arg(bound_at);

-- name: DeletePortrait :exec
DELETE FROM audience_portrait WHERE member_id = sqlc.arg(member_id);

-- name: DeletePortraits :exec
DELETE FROM audience_portrait WHERE member_id IN (sqlc.slice(ids));

-- name: Customer :one
SELECT * FROM audience_customer WHERE member_id = sqlc.arg(member_id);

-- name: CustomerByPhone :one
SELECT * FROM audience_customer WHERE phone_index = sqlc.arg(phone_index);

-- name: CustomersByPhone :many
SELECT member_id, phone_index, name FROM audience_customer WHERE phone_index IN (sqlc.slice(indexes));

-- name: InsertCustomer :exec
INSERT INTO audience_customer (member_id, phone_index, phone_sealed, name)
VALUES (sqlc.arg(member_id), sqlc.arg(phone_index), sqlc.arg(phone_sealed), sqlc.arg(name));

-- name: DeleteCustomer :exec
DELETE FROM audience_customer WHERE member_id = sqlc.arg(member_id);

-- name: RenameCustomer :exec
UPDATE audience_customer SET name = sqlc.arg(name) WHERE member_id = sqlc.arg(member_id);

-- name: Origin :one
SELECT facts FROM audience_origin WHERE id = sqlc.arg(id);

-- name: OriginByHash :one
SELECT id FROM audience_origin WHERE hash = sqlc.arg(hash);

-- name: InsertOrigin :exec
INSERT INTO audience_origin (id, hash, facts) VALUES (sqlc.arg(id), sqlc.arg(hash), sqlc.arg(facts));

-- name: DeedsOf :many
SELECT * FROM audience_deed WHERE member_id IN (sqlc.slice(ids)) AND day >= sqlc.arg(day);

-- name: Acts :many
SELECT * FROM audience_deed
WHERE member_id > sqlc.arg(after) AND member_id <= sqlc.arg(through) AND kind IN (sqlc.slice(kinds)) AND day >= sqlc.arg(from_day) AND day <= sqlc.arg(to_day)
ORDER BY member_id, kind, day LIMIT ?;

-- name: Counted :many
SELECT ref FROM audience_once WHERE ref IN (sqlc.slice(refs));

-- name: OldOnce :many
SELECT ref FROM audience_once WHERE day < sqlc.arg(day) LIMIT ?;

-- name: DropOnce :exec
DELETE FROM audience_once WHERE ref IN (sqlc.slice(refs));

-- name: DeleteDeeds :exec
DELETE FROM audience_deed WHERE member_id = sqlc.arg(member_id);

-- name: IsGone :one
SELECT COUNT(*) FROM audience_gone WHERE member_id = sqlc.arg(member_id);

-- name: Gone :many
SELECT member_id, into_id FROM audience_gone WHERE member_id IN (sqlc.slice(ids));

-- name: Former :many
SELECT member_id, into_id FROM audience_gone WHERE into_id IN (sqlc.slice(ids));

-- name: InsertGone :exec
INSERT INTO audience_gone (member_id, into_id, at) VALUES (sqlc.arg(member_id), sqlc.arg(into_id), sqlc.arg(at));

-- name: LeadGone :exec
UPDATE audience_gone SET into_id = sqlc.arg(into_id) WHERE into_id = sqlc.arg(from_id);

-- name: BoughtBy :many
SELECT * FROM audience_bought WHERE member_id IN (sqlc.slice(ids)) AND day >= sqlc.arg(day);

-- name: ProductsOf :many
SELECT product, day FROM audience_bought WHERE member_id = ? ORDER BY day DESC, product LIMIT ?;

-- name: CopyBought :exec
INSERT INTO audience_bought (member_id, product, day)
SELECT sqlc.arg(into_id), f.product, f.day
FROM audience_bought f LEFT JOIN audience_bought i ON i.member_id = sqlc.arg(into_id) AND i.product = f.product AND i.day = f.day
WHERE f.member_id = sqlc.arg(from_id) AND i.day IS NULL;

-- name: DeleteBought :exec
DELETE FROM audience_bought WHERE member_id = sqlc.arg(member_id);

-- name: OldBought :many
SELECT member_id FROM audience_bought WHERE day < sqlc.arg(day) LIMIT ?;

-- name: DropOldBought :exec
DELETE FROM audience_bought WHERE member_id IN (sqlc.slice(ids)) AND day < sqlc.arg(day);

-- name: OldDeeds :many
SELECT DISTINCT member_id FROM audience_deed WHERE kind = sqlc.arg(kind) AND day < sqlc.arg(day) ORDER BY member_id LIMIT ?;

-- name: DropOldDeeds :execrows
DELETE FROM audience_deed WHERE member_id IN (sqlc.slice(ids)) AND day < sqlc.arg(day);

-- name: TagByName :one
SELECT * FROM audience_tag WHERE name = sqlc.arg(name);

-- name: InsertTag :exec
INSERT INTO audience_tag (id, name, created_at) VALUES (sqlc.arg(id), sqlc.arg(name), sqlc.arg(created_at));

-- name: Tags :many
SELECT t.id, t.name, (SELECT COUNT(*) FROM audience_member_tag m WHERE m.tag_id = t.id) AS members
FROM audience_tag t ORDER BY t.name LIMIT ?;

-- name: TagsOf :many
SELECT t.id, t.name, m.source, m.tagged_at FROM audience_member_tag m JOIN audience_tag t ON t.id = m.tag_id
WHERE m.member_id = sqlc.arg(member_id) ORDER BY t.name LIMIT ?;

-- name: Tagged :many
SELECT member_id FROM audience_member_tag WHERE tag_id = sqlc.arg(tag_id) AND member_id IN (sqlc.slice(ids));

-- name: Untag :execrows
DELETE FROM audience_member_tag WHERE tag_id = sqlc.arg(tag_id) AND member_id IN (sqlc.slice(ids));

-- name: CopyTags :exec
INSERT INTO audience_member_tag (tag_id, member_id, source, tagged_at)
SELECT f.tag_id, sqlc.arg(into_id), f.source, f.tagged_at
FROM audience_member_tag f LEFT JOIN audience_member_tag i ON i.tag_id = f.tag_id AND i.member_id = sqlc.arg(into_id)
WHERE f.member_id = sqlc.arg(from_id) AND i.tag_id IS NULL;

-- name: DeleteTags :exec
DELETE FROM audience_member_tag WHERE member_id = sqlc.arg(member_id);

-- name: List :one
SELECT * FROM audience_list WHERE id = sqlc.arg(id);

-- name: ListByHash :one
SELECT * FROM audience_list WHERE file_hash = sqlc.arg(file_hash);

-- name: Lists :many
SELECT * FROM audience_list WHERE id < sqlc.arg(before) ORDER BY id DESC LIMIT ?;

-- name: InsertList :exec
INSERT INTO audience_list (id, name, file_hash, size, created_at)
VALUES (sqlc.arg(id), sqlc.arg(name), sqlc.arg(file_hash), sqlc.arg(size), sqlc.arg(created_at));

-- name: HoldListByHash :execrows
UPDATE audience_list SET created_at = created_at WHERE file_hash = sqlc.arg(file_hash);

-- name: Listed :many
SELECT member_id FROM audience_list_member WHERE list_id = sqlc.arg(list_id) AND member_id IN (sqlc.slice(ids));

-- name: GrowList :exec
UPDATE audience_list SET size = size + sqlc.arg(more) WHERE id = sqlc.arg(id);

-- name: ListsOf :many
SELECT list_id FROM audience_list_member WHERE member_id = sqlc.arg(member_id) LIMIT ?;

-- name: CopyLists :exec
INSERT INTO audience_list_member (list_id, member_id)
SELECT f.list_id, sqlc.arg(into_id)
FROM audience_list_member f LEFT JOIN audience_list_member i ON i.list_id = f.list_id AND i.member_id = sqlc.arg(into_id)
WHERE f.member_id = sqlc.arg(from_id) AND i.list_id IS NULL;

-- name: DeleteFromLists :exec
DELETE FROM audience_list_member WHERE member_id = sqlc.arg(member_id);

-- name: Segment :one
SELECT * FROM audience_segment WHERE id = sqlc.arg(id);

-- name: SegmentByName :one
SELECT * FROM audience_segment WHERE name = sqlc.arg(name);

-- name: Segments :many
SELECT * FROM audience_segment WHERE id < sqlc.arg(before) AND archived_at = 0 AND (sqlc.arg(words) = '' OR INSTR(LOWER(name), LOWER(sqlc.arg(words))) > 0) ORDER BY id DESC LIMIT ?;

-- name: ArchivedSegments :many
SELECT * FROM audience_segment WHERE id < sqlc.arg(before) AND archived_at > 0 AND (sqlc.arg(words) = '' OR INSTR(LOWER(name), LOWER(sqlc.arg(words))) > 0) ORDER BY id DESC LIMIT ?;

-- name: InsertSegment :exec
INSERT INTO audience_segment (id, name, tree, version, operator_id, created_at, updated_at)
VALUES (sqlc.arg(id), sqlc.arg(name), sqlc.arg(tree), 1, sqlc.arg(operator_id), sqlc.arg(now), sqlc.arg(now));

-- No row changes when somebody else changed or archived it meanwhile.
-- name: UpdateSegment :execrows
UPDATE audience_segment SET name = sqlc.arg(name), tree = sqlc.arg(tree), version = version + 1,
    operator_id = sqlc.arg(operator_id), updated_at = sqlc.arg(now)
WHERE id = sqlc.arg(id) AND version = sqlc.arg(version) AND archived_at = 0;

-- No row changes when it is archived already.
-- name: ArchiveSegment :execrows
UPDATE audience_segment SET archived_at = sqlc.arg(now) WHERE id = sqlc.arg(id) AND archived_at = 0;

-- No row changes when it is not archived.
-- name: RestoreSegment :execrows
UPDATE audience_segment SET archived_at = 0 WHERE id = sqlc.arg(id) AND archived_at > 0;

-- name: Frozen :one
SELECT * FROM audience_frozen WHERE id = sqlc.arg(id);

-- name: FrozenBefore :many
SELECT * FROM audience_frozen WHERE id < sqlc.arg(before) ORDER BY id DESC LIMIT ?;

-- name: FrozenByRequest :one
SELECT * FROM audience_frozen WHERE request_id = sqlc.arg(request_id);

-- name: InsertFrozen :exec
INSERT INTO audience_frozen (id, segment_id, request_id, tree, as_of, done_to, size, done_at, name, sentence)
VALUES (sqlc.arg(id), sqlc.arg(segment_id), sqlc.arg(request_id), sqlc.arg(tree), sqlc.arg(as_of), 0, 0, 0, sqlc.arg(name), sqlc.arg(sentence));

-- The checkpoint of a range; no row when another worker did the range.
-- name: AdvanceFrozen :execrows
UPDATE audience_frozen SET done_to = sqlc.arg(done_to), done_at = sqlc.arg(done_at)
WHERE id = sqlc.arg(id) AND done_to = sqlc.arg(was) AND done_at = 0;

-- name: AddFrozen :exec
UPDATE audience_frozen SET size = size + sqlc.arg(n) WHERE id = sqlc.arg(id);

-- name: RangeEnd :one
SELECT member_id FROM audience_portrait WHERE member_id > sqlc.arg(member_id) ORDER BY member_id LIMIT 1 OFFSET ?;

-- name: FrozenMembers :many
SELECT member_id FROM audience_frozen_member WHERE frozen_id = sqlc.arg(frozen_id) AND member_id > sqlc.arg(after)
ORDER BY member_id LIMIT ?;

-- name: DrawnIn :many
SELECT frozen_id, member_id FROM audience_frozen_member WHERE frozen_id IN (sqlc.slice(audiences)) AND member_id IN (sqlc.slice(ids));

-- name: ImportByID :one
SELECT * FROM audience_import WHERE id = sqlc.arg(id);

-- name: ImportByHash :one
SELECT * FROM audience_import WHERE file_hash = sqlc.arg(file_hash);

-- name: Imports :many
SELECT * FROM audience_import WHERE id < sqlc.arg(before) ORDER BY id DESC LIMIT ?;

-- name: InsertImport :exec
INSERT INTO audience_import (id, file_hash, name, mapping, as_of, operator_id, done_line, total, added, changed, refused, leased_until, lease_token, created_at, done_at, file_lines)
VALUES (sqlc.arg(id), sqlc.arg(file_hash), sqlc.arg(name), sqlc.arg(mapping), sqlc.arg(as_of), sqlc.arg(operator_id), 0, 0, 0, 0, 0, 0, '', sqlc.arg(created_at), 0, sqlc.arg(file_lines));

-- name: LeaseImport :execrows
UPDATE audience_import SET leased_until = sqlc.arg(leased_until), lease_token = sqlc.arg(token)
WHERE id = sqlc.arg(id) AND done_at = 0 AND halt IS NULL AND leased_until < sqlc.arg(now);

-- A halt takes the lease away, so that the batch under way is not saved. No row when
-- the import is done or halted already.
-- name: PauseImport :execrows
UPDATE audience_import SET halt = 'paused', leased_until = 0, lease_token = ''
WHERE id = sqlc.arg(id) AND done_at = 0 AND halt IS NULL;

-- The file may come again as another import.
-- name: CancelImport :execrows
UPDATE audience_import SET halt = 'cancelled', file_hash = sqlc.arg(file_hash), leased_until = 0, lease_token = ''
WHERE id = sqlc.arg(id) AND done_at = 0 AND (halt IS NULL OR halt = 'paused');

-- name: UnpauseImport :execrows
UPDATE audience_import SET halt = NULL WHERE id = sqlc.arg(id) AND done_at = 0 AND (halt IS NULL OR halt = 'paused');

-- name: ReleaseImport :exec
UPDATE audience_import SET leased_until = 0 WHERE id = sqlc.arg(id) AND lease_token = sqlc.arg(token);

-- The checkpoint of a batch, in its transaction: no row when the lease was lost.
-- name: AdvanceImport :execrows
UPDATE audience_import SET done_line = sqlc.arg(done_line), total = total + sqlc.arg(total), added = added + sqlc.arg(added),
    changed = changed + sqlc.arg(changed), refused = refused + sqlc.arg(refused), leased_until = sqlc.arg(leased_until),
    done_at = sqlc.arg(done_at)
WHERE id = sqlc.arg(id) AND lease_token = sqlc.arg(token) AND done_line = sqlc.arg(was) AND done_at = 0;

-- name: ImportErrors :many
SELECT line, detail FROM audience_import_error WHERE import_id = sqlc.arg(import_id) AND line > sqlc.arg(after)
ORDER BY line LIMIT ?;

-- name: PortraitIDs :many
SELECT member_id FROM audience_portrait WHERE member_id IN (sqlc.slice(ids));

-- name: LastPortrait :one
SELECT CAST(COALESCE(MAX(p.member_id), 0) AS SIGNED) AS last FROM audience_portrait p;

-- name: CustomersOf :many
SELECT member_id, phone_sealed, name FROM audience_customer WHERE member_id IN (sqlc.slice(ids));

-- One of a thousand people, spread evenly over all.
-- name: SampleIDs :many
SELECT member_id FROM audience_portrait WHERE sample = 0 ORDER BY member_id LIMIT ?;

-- The row waits for whoever is about to name it, to archive or to delete it; none when it
-- is gone or archived.
-- name: HoldSegment :execrows
UPDATE audience_segment SET version = version WHERE id = sqlc.arg(id) AND archived_at = 0;

-- name: HoldTag :execrows
UPDATE audience_tag SET created_at = created_at WHERE name = sqlc.arg(name);

-- name: HoldList :execrows
UPDATE audience_list SET created_at = created_at WHERE id = sqlc.arg(id);

-- name: DeleteSegment :execrows
DELETE FROM audience_segment WHERE id = sqlc.arg(id);

-- name: Tag :one
SELECT * FROM audience_tag WHERE id = sqlc.arg(id);

-- name: DeleteTag :execrows
DELETE FROM audience_tag WHERE id = sqlc.arg(id);

-- name: DeleteList :execrows
DELETE FROM audience_list WHERE id = sqlc.arg(id);

-- name: IDsNaming :many
SELECT id FROM audience_segment WHERE INSTR(tree, sqlc.arg(part)) > 0 ORDER BY id LIMIT ?;

-- part is a name with its value, as the JSON of a tree has them.
-- name: SegmentsNaming :many
SELECT name, archived_at FROM audience_segment WHERE INSTR(tree, sqlc.arg(part)) > 0 ORDER BY id DESC LIMIT ?;

-- name: UnarchivedNaming :many
SELECT name FROM audience_segment WHERE INSTR(tree, sqlc.arg(part)) > 0 AND archived_at = 0 ORDER BY id DESC LIMIT ?;

-- name: FreezingNow :many
SELECT id FROM audience_frozen WHERE done_at = 0 AND as_of > sqlc.arg(after) AND INSTR(tree, sqlc.arg(part)) > 0 LIMIT ?;

-- name: TaggedWith :many
SELECT member_id FROM audience_member_tag WHERE tag_id = sqlc.arg(tag_id) ORDER BY member_id LIMIT ?;

-- name: OnList :many
SELECT member_id FROM audience_list_member WHERE list_id = sqlc.arg(list_id) ORDER BY member_id LIMIT ?;

-- name: TakeOffList :exec
DELETE FROM audience_list_member WHERE list_id = sqlc.arg(list_id) AND member_id IN (sqlc.slice(ids));

-- What is left of a tag or list that is gone.
-- name: TagsLeft :many
SELECT DISTINCT m.tag_id FROM audience_member_tag m LEFT JOIN audience_tag t ON t.id = m.tag_id WHERE t.id IS NULL LIMIT ?;

-- name: ListsLeft :many
SELECT DISTINCT m.list_id FROM audience_list_member m LEFT JOIN audience_list l ON l.id = m.list_id WHERE l.id IS NULL LIMIT ?;
