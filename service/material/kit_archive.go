package material

import (
	"context"
	"database/sql"
	"fmt"

	"kaimenhong/model"
	"kaimenhong/model/page"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/material/internal/db"
)

// Kits lists the newest version of every kit that is not archived, or of those that are,
// the newest kit first; words are in its name, "" in every one.
//
// Errors: page.ErrCursor.
func (m *Materials) Kits(ctx context.Context, archived bool, words, cursor string, limit int) (list []Kit, next string, err error) {
	before, err := page.Before(cursor)
	if err != nil {
		return nil, "", err
	}
	size := page.Size(limit)
	var rows []db.MaterialKit
	if archived {
		rows, err = m.q.ArchivedKitsBefore(ctx, db.ArchivedKitsBeforeParams{Before: before, Words: words, Limit: size + 1})
	} else {
		rows, err = m.q.KitsBefore(ctx, db.KitsBeforeParams{Before: before, Words: words, Limit: size + 1})
	}
	if err != nil {
		return nil, "", fmt.Errorf("list the kits: %w", err)
	}
	rows, next = page.Cut(rows, size, func(r db.MaterialKit) string { return page.Cursor(r.ID) })
	for _, r := range rows {
		k, err := m.Kit(ctx, model.ID(r.VersionID))
		if err != nil {
			return nil, "", err
		}
		list = append(list, k)
	}
	return list, next, nil
}

// ArchiveKit puts a kit away with all its versions: it leaves the list, no plan may be
// handed in or scheduled with it, and campaigns that have it go on and are read and
// reported as before. It answers the newest version; one that is archived stays so.
//
// Errors: ErrNoKit.
func (m *Materials) ArchiveKit(ctx context.Context, by, kit model.ID) (Kit, error) {
	return m.putAway(ctx, by, kit, "kit.archive", func(q *db.Queries) (int64, error) {
		return q.ArchiveKit(ctx, db.ArchiveKitParams{Now: m.millis(), ID: int64(kit)})
	})
}

// RestoreKit takes back a kit that was archived, as it was.
//
// Errors: ErrNoKit.
func (m *Materials) RestoreKit(ctx context.Context, by, kit model.ID) (Kit, error) {
	return m.putAway(ctx, by, kit, "kit.restore", func(q *db.Queries) (int64, error) {
		return q.RestoreKit(ctx, db.RestoreKitParams{Now: m.millis(), ID: int64(kit)})
	})
}

// putAway changes whether a kit is archived.
func (m *Materials) putAway(ctx context.Context, by, kit model.ID, action string, change func(q *db.Queries) (int64, error)) (Kit, error) {
	row, err := m.kit(ctx, kit)
	if err != nil {
		return Kit{}, err
	}
	err = sqldb.InTx(ctx, m.DB, func(tx *sql.Tx) error {
		n, err := change(m.q.WithTx(tx))
		if err != nil {
			return fmt.Errorf("%s %s: %w", action, kit, err)
		}
		return m.record(ctx, tx, by, action, "kit", kit, archiving{row.Name, n == 0})
	})
	if err != nil {
		return Kit{}, err
	}
	return m.Kit(ctx, model.ID(row.VersionID))
}

// archiving is the detail of the line of the audit.
type archiving struct {
	Name    string `json:"name"`
	Already bool   `json:"already,omitempty"` // it was so before: nothing changed
}
