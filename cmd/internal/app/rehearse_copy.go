package app

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"kaimenhong/model"
)

// copier takes what a rehearsal needs out of the real book into the scratch one. It
// reads the one and writes the other.
type copier struct {
	from, into *sql.DB
}

// wholeTables are small, and a plan may name any row of them.
var wholeTables = []string{
	"audience_segment", "audience_tag", "audience_list", "material", "material_version", "material_picture", "material_template",
	"material_kit", "material_kit_version", "push_quota", "redpacket_game", "redpacket_slice", "mall_gift",
}

// tablesOfMembers are copied for those of the frozen audience and whom they became alone,
// by the column that holds the member.
var tablesOfMembers = []struct{ table, column string }{
	{"audience_portrait", "member_id"},
	{"audience_deed", "member_id"},
	{"audience_member_tag", "member_id"},
	{"audience_list_member", "member_id"},
	{"member", "id"},
	{"member_identity", "member_id"},
	{"member_phone", "member_id"},
	{"member_consent", "member_id"},
	{"push_entitlement", "member_id"},
	{"push_load", "member_id"},
}

// copiedAtOnce is how many members' rows one statement reads.
const copiedAtOnce = 500

// campaign copies one campaign with its version and the frozen audience.
func (c copier) campaign(ctx context.Context, id model.ID, version int, frozen model.ID) error {
	for _, table := range wholeTables {
		if err := c.rows(ctx, table, "1 = 1"); err != nil {
			return err
		}
	}
	for _, one := range []struct {
		table, where string
		args         []any
	}{
		{"campaign", "id = ?", []any{int64(id)}},
		{"campaign_version", "campaign_id = ? AND version = ?", []any{int64(id), version}},
		{"audience_frozen", "id = ?", []any{int64(frozen)}},
		{"audience_frozen_member", "frozen_id = ?", []any{int64(frozen)}},
		{"audience_gone", "member_id IN (SELECT member_id FROM audience_frozen_member WHERE frozen_id = ?)", []any{int64(frozen)}},
		{
			"audience_gone", "into_id IN (SELECT member_id FROM audience_frozen_member WHERE frozen_id = ?) AND member_id NOT IN (SELECT member_id FROM audience_frozen_member WHERE frozen_id = ?)",
			[]any{int64(frozen), int64(frozen)},
		},
	} {
		if err := c.rows(ctx, one.table, one.where, one.args...); err != nil {
			return err
		}
	}
	members, err := c.members(ctx, frozen)
	if err != nil {
		return err
	}
	for part := range slices.Chunk(members, copiedAtOnce) {
		in := " IN (" + strings.TrimSuffix(strings.Repeat("?,", len(part)), ",") + ")"
		for _, t := range tablesOfMembers {
			if err := c.rows(ctx, t.table, t.column+in, part...); err != nil {
				return err
			}
		}
	}
	return nil
}

// past copies what a campaign under way has behind it, for a version that goes on with
// it: the versions before, as whom they drew people, which times were pushed, and what
// happened to whom. It answers whether there is such a past.
func (c copier) past(ctx context.Context, id model.ID, version int) (bool, error) {
	var live int
	row := c.from.QueryRowContext(ctx, "SELECT live_version FROM campaign WHERE id = ? AND state IN ('scheduled', 'canary', 'running', 'paused')", int64(id))
	switch err := row.Scan(&live); {
	case errors.Is(err, sql.ErrNoRows):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("read where the campaign stands: %w", err)
	case version < live:
		return false, nil
	}
	const before = "(SELECT frozen_id FROM campaign_version WHERE campaign_id = ? AND version < ? AND state IN ('live', 'old') UNION SELECT baseline_id FROM campaign_watch WHERE campaign_id = ?)"
	const own = " <> (SELECT frozen_id FROM campaign_version WHERE campaign_id = ? AND version = ?)"
	audiences := []any{int64(id), version, int64(id), int64(id), version}
	for _, one := range []struct {
		table, where string
		args         []any
	}{
		{"campaign_version", "campaign_id = ? AND version < ?", []any{int64(id), version}},
		{"audience_frozen", "id IN " + before + " AND id" + own, audiences},
		{"audience_frozen_member", "frozen_id IN " + before + " AND frozen_id" + own, audiences},
		{"campaign_occurrence", "campaign_id = ? AND state <> 'due'", []any{int64(id)}},
		{"campaign_signal", "campaign_id = ?", []any{int64(id)}},
		{"campaign_watch", "campaign_id = ?", []any{int64(id)}},
	} {
		if err := c.rows(ctx, one.table, one.where, one.args...); err != nil {
			return false, err
		}
	}
	return true, nil
}

// members are those of the frozen audience, and who they are now.
func (c copier) members(ctx context.Context, frozen model.ID) ([]any, error) {
	rows, err := c.into.QueryContext(ctx, "SELECT member_id FROM audience_frozen_member WHERE frozen_id = ? UNION SELECT into_id FROM audience_gone WHERE into_id > 0 ORDER BY 1", int64(frozen))
	if err != nil {
		return nil, fmt.Errorf("read the frozen audience: %w", err)
	}
	defer func() { _ = rows.Close() }()
	var all []any
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		all = append(all, id)
	}
	return all, rows.Err()
}

// rows copies the rows of a table. Tables and conditions are constants of this file.
func (c copier) rows(ctx context.Context, table, where string, args ...any) error {
	rows, err := c.from.QueryContext(ctx, "SELECT * FROM "+table+" WHERE "+where, args...)
	if err != nil {
		return fmt.Errorf("read %s: %w", table, err)
	}
	defer func() { _ = rows.Close() }()
	columns, err := rows.Columns()
	if err != nil {
		return err
	}
	tx, err := c.into.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	insert, err := tx.PrepareContext(ctx, "INSERT INTO "+table+" ("+strings.Join(columns, ", ")+") VALUES ("+strings.TrimSuffix(strings.Repeat("?,", len(columns)), ",")+")")
	if err != nil {
		return fmt.Errorf("write %s: %w", table, err)
	}
	defer func() { _ = insert.Close() }()
	types, err := rows.ColumnTypes()
	if err != nil {
		return err
	}
	values, to := make([]any, len(columns)), make([]any, len(columns))
	for rows.Next() {
		for i := range values {
			to[i] = &values[i]
		}
		if err := rows.Scan(to...); err != nil {
			return fmt.Errorf("read %s: %w", table, err)
		}
		for i, v := range values {
			// What is text comes as bytes from a server; a BLOB stays bytes.
			if b, ok := v.([]byte); ok && !strings.Contains(types[i].DatabaseTypeName(), "BLOB") {
				values[i] = string(b)
			}
		}
		if _, err := insert.ExecContext(ctx, values...); err != nil {
			return fmt.Errorf("write %s: %w", table, err)
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read %s: %w", table, err)
	}
	return tx.Commit()
}
