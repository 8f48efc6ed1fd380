-- Statements of the material library. Each is repeated as it is when its transaction
-- lost a deadlock.

-- name: InsertFolder :exec
INSERT INTO material_folder (id, parent_id, name, created_by, created_at)
VALUES (sqlc.arg(id), sqlc.arg(parent_id), sqlc.arg(name), sqlc.arg(created_by), sqlc.arg(created_at));

-- name: Folders :many
SELECT * FROM material_folder ORDER BY parent_id, name, id LIMIT ?;

-- name: RenameFolder :execrows
UPDATE material_folder SET name = sqlc.arg(name) WHERE id = sqlc.arg(id);

-- No row goes when something is in the folder.
-- name: DeleteFolder :execrows
DELETE FROM material_folder
WHERE material_folder.id = sqlc.arg(id) AND NOT EXISTS (SELECT 1 FROM material m WHERE m.folder_id = sqlc.arg(id));

-- name: InFolder :one
SELECT COUNT(*) AS materials, CAST(COALESCE(SUM(CASE WHEN m.retired_at <> 0 THEN 1 ELSE 0 END), 0) AS SIGNED) AS retired FROM material m WHERE m.folder_id = sqlc.arg(folder_id);

-- name: InsertMaterial :exec
INSERT INTO material (id, folder_id, kind, name, open_id, live_id, retired_at, revision, created_by, created_at, updated_at)
VALUES (sqlc.arg(id), sqlc.arg(folder_id), sqlc.arg(kind), sqlc.arg(name), sqlc.arg(open_id), 0, 0, 1, sqlc.arg(created_by), sqlc.arg(created_at), sqlc.arg(created_at));

-- name: Material :one
SELECT * FROM material WHERE id = ?;

-- An empty word takes everything, as does a folder below 0.
-- name: Materials :many
SELECT m.* FROM material m
WHERE m.id < sqlc.arg(before)
  AND (sqlc.arg(folder_id) < 0 OR m.folder_id = sqlc.arg(folder_id))
  AND (sqlc.arg(kind) = '' OR m.kind = sqlc.arg(kind))
  AND (sqlc.arg(words) = '' OR INSTR(LOWER(m.name), LOWER(sqlc.arg(words))) > 0)
  AND (sqlc.arg(tag) = '' OR EXISTS (SELECT 1 FROM material_tag t WHERE t.material_id = m.id AND t.tag = sqlc.arg(tag)))
  AND m.retired_at <= sqlc.arg(retired_to)
  AND m.live_id >= sqlc.arg(live_from)
ORDER BY m.id DESC LIMIT ?;

-- name: Names :many
SELECT id, name FROM material WHERE id IN (sqlc.slice(ids));

-- name: TagsOf :many
SELECT material_id, tag FROM material_tag WHERE material_id IN (sqlc.slice(ids)) ORDER BY material_id, tag;

-- name: Tags :many
SELECT tag, CAST(COUNT(*) AS SIGNED) AS n FROM material_tag GROUP BY tag ORDER BY tag LIMIT ?;

-- name: DeleteTags :exec
DELETE FROM material_tag WHERE material_id = ?;

-- name: InsertTag :exec
INSERT INTO material_tag (material_id, tag) VALUES (sqlc.arg(material_id), sqlc.arg(tag));

-- No row changes when somebody else was first.
-- name: ArrangeMaterial :execrows
UPDATE material SET folder_id = sqlc.arg(folder_id), name = sqlc.arg(name), retired_at = sqlc.arg(retired_at), revision = revision + 1, updated_at = sqlc.arg(now)
WHERE id = sqlc.arg(id) AND revision = sqlc.arg(revision);

-- No row changes when a version is open already.
-- name: OpenMaterial :execrows
UPDATE material SET open_id = sqlc.arg(open_id), updated_at = sqlc.arg(now) WHERE id = sqlc.arg(id) AND open_id = 0 AND retired_at = 0;

-- name: CloseMaterial :execrows
UPDATE material SET open_id = 0, live_id = sqlc.arg(live_id), updated_at = sqlc.arg(now) WHERE id = sqlc.arg(id) AND open_id = sqlc.arg(open_id);

-- name: InsertVersion :exec
INSERT INTO material_version (id, material_id, number, kind, state, revision, body, note, created_by, created_at, submitted_by, submitted_at, checked_by, checked_at)
VALUES (sqlc.arg(id), sqlc.arg(material_id), sqlc.arg(number), sqlc.arg(kind), 'draft', 1, sqlc.arg(body), '', sqlc.arg(created_by), sqlc.arg(created_at), 0, 0, 0, 0);

-- name: Version :one
SELECT * FROM material_version WHERE id = ?;

-- name: Versions :many
SELECT * FROM material_version WHERE material_id = sqlc.arg(material_id) AND number < sqlc.arg(before) ORDER BY number DESC LIMIT ?;

-- name: LastNumber :one
SELECT CAST(COALESCE(MAX(number), 0) AS SIGNED) AS last_number FROM material_version WHERE material_id = sqlc.arg(material_id);

-- name: VersionsIn :many
SELECT * FROM material_version WHERE state = sqlc.arg(state) AND id > sqlc.arg(after) ORDER BY id LIMIT ?;

-- name: EditVersion :execrows
UPDATE material_version SET body = sqlc.arg(body), revision = revision + 1
WHERE id = sqlc.arg(id) AND state = 'draft' AND revision = sqlc.arg(revision);

-- Answers a duplicate key for somebody who is an author already.
-- name: InsertAuthor :exec
INSERT INTO material_author (version_id, operator_id) VALUES (sqlc.arg(version_id), sqlc.arg(operator_id));

-- name: Authors :many
SELECT operator_id FROM material_author WHERE version_id = sqlc.arg(version_id) ORDER BY operator_id LIMIT ?;

-- name: SubmitVersion :execrows
UPDATE material_version SET state = 'review', submitted_by = sqlc.arg(submitted_by), submitted_at = sqlc.arg(now), note = ''
WHERE id = sqlc.arg(id) AND state = 'draft' AND revision = sqlc.arg(revision);

-- name: ReturnVersion :execrows
UPDATE material_version SET state = 'draft', note = sqlc.arg(note), revision = revision + 1
WHERE id = sqlc.arg(id) AND state = 'review';

-- name: DiscardVersion :execrows
UPDATE material_version SET state = 'discarded' WHERE id = sqlc.arg(id) AND state = 'draft';

-- Maker and checker are two persons: no row changes for one of the authors.
-- name: PublishVersion :execrows
UPDATE material_version SET state = 'published', checked_by = sqlc.arg(checked_by), checked_at = sqlc.arg(now)
WHERE id = sqlc.arg(id) AND state = 'review' AND revision = sqlc.arg(revision) AND submitted_by <> sqlc.arg(checked_by)
  AND NOT EXISTS (SELECT 1 FROM material_author a WHERE a.version_id = sqlc.arg(id) AND a.operator_id = sqlc.arg(checked_by));

-- Answers a duplicate key when the same picture is there.
-- name: InsertPicture :exec
INSERT INTO material_picture (id, sha256, format, width, height, size, content, media_id, url, created_by, created_at)
VALUES (sqlc.arg(id), sqlc.arg(sha256), sqlc.arg(format), sqlc.arg(width), sqlc.arg(height), sqlc.arg(size), sqlc.arg(content), '', '', sqlc.arg(created_by), sqlc.arg(created_at));

-- name: PictureByHash :one
SELECT id, sha256, format, width, height, size, media_id, url, created_by, created_at FROM material_picture WHERE sha256 = ?;

-- name: PicturesOf :many
SELECT id, sha256, format, width, height, size, media_id, url, created_by, created_at FROM material_picture WHERE id IN (sqlc.slice(ids)) ORDER BY id;

-- name: PicturesBefore :many
SELECT id, sha256, format, width, height, size, media_id, url, created_by, created_at FROM material_picture WHERE id < sqlc.arg(before) ORDER BY id DESC LIMIT ?;

-- name: PictureContent :one
SELECT format, content FROM material_picture WHERE id = ?;

-- name: SetPictureMedia :execrows
UPDATE material_picture SET media_id = sqlc.arg(media_id), url = sqlc.arg(url) WHERE id = sqlc.arg(id) AND media_id = '';

-- Answers a duplicate key when the template is there.
-- name: InsertTemplate :exec
INSERT INTO material_template (id, channel, wechat_id, title, content, created_by, created_at, retired_at)
VALUES (sqlc.arg(id), sqlc.arg(channel), sqlc.arg(wechat_id), sqlc.arg(title), sqlc.arg(content), sqlc.arg(created_by), sqlc.arg(created_at), 0);

-- No row changes when it was retired before.
-- name: RetireTemplate :execrows
UPDATE material_template SET retired_at = sqlc.arg(now) WHERE id = sqlc.arg(id) AND retired_at = 0;

-- name: Template :one
SELECT * FROM material_template WHERE id = ?;

-- name: TemplatesAfter :many
SELECT * FROM material_template WHERE id > sqlc.arg(after) AND retired_at <= sqlc.arg(retired_to) ORDER BY id LIMIT ?;

-- name: InsertKit :exec
INSERT INTO material_kit (id, name, number, version_id, created_by, created_at, updated_at)
VALUES (sqlc.arg(id), sqlc.arg(name), 1, sqlc.arg(version_id), sqlc.arg(created_by), sqlc.arg(created_at), sqlc.arg(created_at));

-- No row changes when somebody else was first.
-- name: AdvanceKit :execrows
UPDATE material_kit SET name = sqlc.arg(name), number = number + 1, version_id = sqlc.arg(version_id), updated_at = sqlc.arg(now)
WHERE id = sqlc.arg(id) AND number = sqlc.arg(number);

-- name: KitByID :one
SELECT * FROM material_kit WHERE id = ?;

-- name: KitsBefore :many
SELECT * FROM material_kit WHERE id < sqlc.arg(before) AND archived_at = 0 AND (sqlc.arg(words) = '' OR INSTR(LOWER(name), LOWER(sqlc.arg(words))) > 0) ORDER BY id DESC LIMIT ?;

-- name: ArchivedKitsBefore :many
SELECT * FROM material_kit WHERE id < sqlc.arg(before) AND archived_at > 0 AND (sqlc.arg(words) = '' OR INSTR(LOWER(name), LOWER(sqlc.arg(words))) > 0) ORDER BY id DESC LIMIT ?;

-- No row changes when it is archived already.
-- name: ArchiveKit :execrows
UPDATE material_kit SET archived_at = sqlc.arg(now), updated_at = sqlc.arg(now) WHERE id = sqlc.arg(id) AND archived_at = 0;

-- No row changes when it is not archived.
-- name: RestoreKit :execrows
UPDATE material_kit SET archived_at = 0, updated_at = sqlc.arg(now) WHERE id = sqlc.arg(id) AND archived_at > 0;

-- name: InsertKitVersion :exec
INSERT INTO material_kit_version (id, kit_id, number, name, body, created_by, created_at, used_at)
VALUES (sqlc.arg(id), sqlc.arg(kit_id), sqlc.arg(number), sqlc.arg(name), sqlc.arg(body), sqlc.arg(created_by), sqlc.arg(created_at), 0);

-- name: KitVersion :one
SELECT * FROM material_kit_version WHERE id = ?;

-- name: KitVersions :many
SELECT * FROM material_kit_version WHERE kit_id = sqlc.arg(kit_id) AND number < sqlc.arg(before) ORDER BY number DESC LIMIT ?;

-- name: UseKitVersion :exec
UPDATE material_kit_version SET used_at = sqlc.arg(now) WHERE id = sqlc.arg(id) AND used_at = 0;
