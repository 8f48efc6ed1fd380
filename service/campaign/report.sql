-- Statements of the reports.

-- name: ReportHead :one
SELECT * FROM campaign_report WHERE campaign_id = ?;

-- Answers a duplicate key when the report is there.
-- name: InsertReport :exec
INSERT INTO campaign_report (campaign_id, run, lease_until, computed_at, body) VALUES (sqlc.arg(campaign_id), 0, 0, 0, '');

-- No row changes while another run is under way.
-- name: BeginReport :execrows
UPDATE campaign_report SET run = sqlc.arg(run), lease_until = sqlc.arg(lease_until)
WHERE campaign_id = sqlc.arg(campaign_id) AND lease_until <= sqlc.arg(now);

-- No row changes when the run has lost its lease to another.
-- name: HoldReport :execrows
UPDATE campaign_report SET lease_until = sqlc.arg(lease_until) WHERE campaign_id = sqlc.arg(campaign_id) AND run = sqlc.arg(run);

-- name: FinishReport :execrows
UPDATE campaign_report SET lease_until = 0, computed_at = sqlc.arg(computed_at), body = sqlc.arg(body)
WHERE campaign_id = sqlc.arg(campaign_id) AND run = sqlc.arg(run);

-- Campaigns whose numbers may still change: live ones, and those that ended lately. Those
-- whose last run began first come first, for an hour may be too short for all.
-- name: Reportable :many
SELECT c.id FROM campaign c LEFT JOIN campaign_report r ON r.campaign_id = c.id
WHERE c.live_version > 0 AND c.ends_at > sqlc.arg(ended_after)
ORDER BY COALESCE(r.run, 0), c.id LIMIT ?;

-- Other campaigns whose report counts the prizes of a game; game is its id as the body has
-- it. No two things have the same id.
-- name: ReportsWith :many
SELECT c.name FROM campaign_report r JOIN campaign c ON c.id = r.campaign_id
WHERE r.campaign_id <> sqlc.arg(campaign_id) AND INSTR(r.body, sqlc.arg(game)) > 0
ORDER BY c.id DESC LIMIT ?;

-- name: ReportPeople :many
SELECT * FROM campaign_report_person WHERE campaign_id = sqlc.arg(campaign_id) AND run = sqlc.arg(run) AND member_id IN (sqlc.slice(members));

-- name: DropReportPeople :exec
DELETE FROM campaign_report_person WHERE campaign_id = sqlc.arg(campaign_id) AND member_id IN (sqlc.slice(members));

-- name: ReportPeopleAfter :many
SELECT * FROM campaign_report_person
WHERE campaign_id = sqlc.arg(campaign_id) AND member_id > sqlc.arg(after) AND run = sqlc.arg(run)
ORDER BY member_id LIMIT ?;

-- name: ReportCuts :many
SELECT * FROM campaign_report_cut WHERE campaign_id = sqlc.arg(campaign_id) ORDER BY cut, name LIMIT ?;

-- name: DropReportCuts :exec
DELETE FROM campaign_report_cut WHERE campaign_id = sqlc.arg(campaign_id);

-- name: InsertReportCut :exec
INSERT INTO campaign_report_cut (campaign_id, cut, name, body) VALUES (sqlc.arg(campaign_id), sqlc.arg(cut), sqlc.arg(name), sqlc.arg(body));

-- Campaigns whose numbers no longer change and of whose people rows are left.
-- name: ReportsToForget :many
SELECT c.id FROM campaign c JOIN campaign_report r ON r.campaign_id = c.id
WHERE c.ends_at <= sqlc.arg(ended_before) AND r.lease_until <= sqlc.arg(now)
  AND EXISTS (SELECT 1 FROM campaign_report_person p WHERE p.campaign_id = c.id)
ORDER BY c.id LIMIT ?;

-- name: ReportMembers :many
SELECT member_id FROM campaign_report_person WHERE campaign_id = sqlc.arg(campaign_id) ORDER BY member_id LIMIT ?;
