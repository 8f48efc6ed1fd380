package material

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"unicode/utf8"

	"kaimenhong/model"
	"kaimenhong/model/page"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/material/internal/db"
)

// Version is one version of any state.
//
// Errors: ErrVersion.
func (m *Materials) Version(ctx context.Context, id model.ID) (Version, error) {
	return read(ctx, m.q, id)
}

func read(ctx context.Context, q *db.Queries, id model.ID) (Version, error) {
	row, err := q.Version(ctx, int64(id))
	if errors.Is(err, sql.ErrNoRows) {
		return Version{}, ErrVersion
	}
	if err != nil {
		return Version{}, fmt.Errorf("read version %s: %w", id, err)
	}
	return version(row)
}

func version(r db.MaterialVersion) (Version, error) {
	v := Version{
		ID: model.ID(r.ID), Material: model.ID(r.MaterialID), Number: int(r.Number), Kind: Kind(r.Kind), State: State(r.State), Revision: r.Revision, Note: r.Note,
		CreatedBy: model.ID(r.CreatedBy), CreatedAt: model.Millis(r.CreatedAt), SubmittedBy: model.ID(r.SubmittedBy), SubmittedAt: model.Millis(r.SubmittedAt),
		CheckedBy: model.ID(r.CheckedBy), CheckedAt: model.Millis(r.CheckedAt),
	}
	if err := json.Unmarshal([]byte(r.Body), &v.Body); err != nil {
		return Version{}, fmt.Errorf("read the body of version %d: %w", r.ID, err)
	}
	return v, nil
}

// Versions lists those of a material, newest first.
//
// Errors: page.ErrCursor.
func (m *Materials) Versions(ctx context.Context, material model.ID, cursor string, limit int) ([]Version, string, error) {
	before, err := page.Before(cursor)
	if err != nil {
		return nil, "", err
	}
	size := page.Size(limit)
	rows, err := m.q.Versions(ctx, db.VersionsParams{MaterialID: int64(material), Before: int32(min(before, math.MaxInt32)), Limit: size + 1})
	if err != nil {
		return nil, "", fmt.Errorf("list the versions of material %s: %w", material, err)
	}
	return versions(rows, size, func(r db.MaterialVersion) int64 { return int64(r.Number) })
}

// Reviews lists what waits for a second person, the oldest first.
//
// Errors: page.ErrCursor.
func (m *Materials) Reviews(ctx context.Context, cursor string, limit int) ([]Version, string, error) {
	after, err := page.After(cursor)
	if err != nil {
		return nil, "", err
	}
	size := page.Size(limit)
	rows, err := m.q.VersionsIn(ctx, db.VersionsInParams{State: string(Review), After: after, Limit: size + 1})
	if err != nil {
		return nil, "", fmt.Errorf("list what is to be reviewed: %w", err)
	}
	return versions(rows, size, func(r db.MaterialVersion) int64 { return r.ID })
}

// Names are those of the materials that versions are of; of a page of them.
func (m *Materials) Names(ctx context.Context, of []Version) (map[model.ID]string, error) {
	ids := make([]int64, 0, len(of))
	for _, v := range of {
		ids = append(ids, int64(v.Material))
	}
	names := make(map[model.ID]string, len(ids))
	if len(ids) == 0 {
		return names, nil
	}
	rows, err := m.q.Names(ctx, ids)
	if err != nil {
		return nil, fmt.Errorf("read the names of materials: %w", err)
	}
	for _, r := range rows {
		names[model.ID(r.ID)] = r.Name
	}
	return names, nil
}

func versions(rows []db.MaterialVersion, size int32, key func(db.MaterialVersion) int64) (list []Version, next string, err error) {
	rows, next = page.Cut(rows, size, func(r db.MaterialVersion) string { return page.Cursor(key(r)) })
	for _, r := range rows {
		v, err := version(r)
		if err != nil {
			return nil, "", err
		}
		list = append(list, v)
	}
	return list, next, nil
}

// Draft opens a new version of a material, which begins as the one published last.
//
// Errors: ErrUnknown, ErrRetired, ErrOpen.
func (m *Materials) Draft(ctx context.Context, by, material model.ID) (Version, error) {
	id := m.IDs.Next()
	err := sqldb.InTx(ctx, m.DB, func(tx *sql.Tx) error {
		q := m.q.WithTx(tx)
		row, err := q.Material(ctx, int64(material))
		switch {
		case errors.Is(err, sql.ErrNoRows):
			return ErrUnknown
		case err != nil:
			return fmt.Errorf("read material %s: %w", material, err)
		case row.RetiredAt != 0:
			return ErrRetired
		}
		n, err := q.OpenMaterial(ctx, db.OpenMaterialParams{OpenID: int64(id), Now: m.millis(), ID: int64(material)})
		if err != nil {
			return fmt.Errorf("open material %s: %w", material, err)
		}
		if n == 0 {
			return ErrOpen
		}
		body := "{}"
		if row.LiveID != 0 {
			live, err := q.Version(ctx, row.LiveID)
			if err != nil {
				return fmt.Errorf("read version %d: %w", row.LiveID, err)
			}
			body = live.Body
		}
		last, err := q.LastNumber(ctx, int64(material))
		if err != nil {
			return fmt.Errorf("number a version: %w", err)
		}
		if err := m.insertVersion(ctx, q, by, material, id, int(last)+1, Kind(row.Kind), body); err != nil {
			return err
		}
		return m.record(ctx, tx, by, "material.draft", "material_version", id, map[string]any{"material": material})
	})
	if err != nil {
		return Version{}, err
	}
	return m.Version(ctx, id)
}

// Edit replaces the body of a draft; revision is the one that was edited. The draft
// may still have problems: Submit refuses them.
//
// Errors: ErrBody, ErrVersion, ErrState, ErrEdited.
func (m *Materials) Edit(ctx context.Context, by, id model.ID, revision int64, b Body) (Version, error) {
	body, err := written(b)
	if err != nil {
		return Version{}, err
	}
	return m.step(ctx, by, id, "material.edit", func(q *db.Queries, v Version) (any, error) {
		if v.State != Draft {
			return nil, ErrState
		}
		n, err := q.EditVersion(ctx, db.EditVersionParams{Body: body, ID: int64(id), Revision: revision})
		if err != nil || n == 0 {
			return nil, missed(err, ErrEdited)
		}
		return map[string]any{"revision": revision + 1}, writes(ctx, q, id, by)
	})
}

// missed is the driver's error, or what it means that no row changed.
func missed(err, none error) error {
	if err != nil {
		return fmt.Errorf("change a version: %w", err)
	}
	return none
}

// step reads a version, changes it, and writes the audit's row, all or nothing.
func (m *Materials) step(ctx context.Context, by, id model.ID, action string, change func(*db.Queries, Version) (any, error)) (Version, error) {
	var after Version
	err := sqldb.InTx(ctx, m.DB, func(tx *sql.Tx) error {
		q := m.q.WithTx(tx)
		v, err := read(ctx, q, id)
		if err != nil {
			return err
		}
		detail, err := change(q, v)
		if err != nil {
			return err
		}
		if after, err = read(ctx, q, id); err != nil {
			return err
		}
		return m.record(ctx, tx, by, action, "material_version", id, detail)
	})
	if err != nil {
		return Version{}, err
	}
	return after, nil
}

// Submit hands a draft in for review. Whoever submits it counts as its author.
//
// Errors: ErrVersion, ErrState, ErrEdited; ErrBody with the first problem when it has
// any, or when no channel takes it.
func (m *Materials) Submit(ctx context.Context, by, id model.ID, revision int64) (Version, error) {
	v, err := m.Version(ctx, id)
	if err != nil {
		return Version{}, err
	}
	if v.Revision != revision {
		return Version{}, ErrEdited
	}
	if err := m.sound(ctx, v); err != nil {
		return Version{}, err
	}
	return m.step(ctx, by, id, "material.submit", func(q *db.Queries, v Version) (any, error) {
		if v.State != Draft {
			return nil, ErrState
		}
		n, err := q.SubmitVersion(ctx, db.SubmitVersionParams{SubmittedBy: int64(by), Now: m.millis(), ID: int64(id), Revision: revision})
		if err != nil || n == 0 {
			return nil, missed(err, ErrEdited)
		}
		return nil, writes(ctx, q, id, by)
	})
}

// sound refuses a version that has a problem or that no channel takes.
func (m *Materials) sound(ctx context.Context, v Version) error {
	c, err := m.draft(ctx, v.Kind, v.Body)
	if err != nil {
		return err
	}
	for _, p := range c.problems {
		if !p.Hint {
			return ErrBody.Saying("%s：%s", p.Field, p.Text)
		}
	}
	if !slices.ContainsFunc(c.fits(), func(f Fit) bool { return f.Why == "" }) {
		return ErrBody.Saying("没有任何渠道可以发送这份内容")
	}
	return nil
}

// Return sends a version back to its authors, with the reason.
//
// Errors: ErrNote, ErrVersion, ErrState.
func (m *Materials) Return(ctx context.Context, by, id model.ID, note string) (Version, error) {
	if note == "" || utf8.RuneCountInString(note) > maxNote || unprintable(note, "\n") != "" {
		return Version{}, ErrNote
	}
	return m.step(ctx, by, id, "material.return", func(q *db.Queries, _ Version) (any, error) {
		n, err := q.ReturnVersion(ctx, db.ReturnVersionParams{Note: note, ID: int64(id)})
		if err != nil || n == 0 {
			return nil, missed(err, ErrState)
		}
		return map[string]any{"note": note}, nil
	})
}

// Publish makes a version final; revision is the one that was read. None of its
// authors may: the UPDATE itself says so.
//
// Errors: ErrVersion, ErrSelf, ErrState, ErrEdited; ErrBody as Submit, for the world
// may have changed since.
func (m *Materials) Publish(ctx context.Context, by, id model.ID, revision int64) (Version, error) {
	v, err := m.Version(ctx, id)
	if err != nil {
		return Version{}, err
	}
	if v.Revision != revision {
		return Version{}, ErrEdited
	}
	if err := m.sound(ctx, v); err != nil {
		return Version{}, err
	}
	return m.step(ctx, by, id, "material.publish", func(q *db.Queries, v Version) (any, error) {
		n, err := q.PublishVersion(ctx, db.PublishVersionParams{CheckedBy: int64(by), Now: m.millis(), ID: int64(id), Revision: revision})
		if err != nil {
			return nil, missed(err, nil)
		}
		if n == 0 {
			return nil, m.whyNot(ctx, q, v, by)
		}
		return map[string]any{"material": v.Material, "number": v.Number}, m.close(ctx, q, v, v.ID)
	})
}

// whyNot finds out why no row was published.
func (m *Materials) whyNot(ctx context.Context, q *db.Queries, v Version, by model.ID) error {
	if v.State != Review {
		return ErrState
	}
	authors, err := q.Authors(ctx, db.AuthorsParams{VersionID: int64(v.ID), Limit: maxPage})
	if err != nil {
		return fmt.Errorf("read the authors: %w", err)
	}
	if v.SubmittedBy == by || slices.Contains(authors, int64(by)) {
		return ErrSelf
	}
	return ErrEdited
}

// close ends the work on a version; live is what is published of the material now.
func (m *Materials) close(ctx context.Context, q *db.Queries, v Version, live model.ID) error {
	n, err := q.CloseMaterial(ctx, db.CloseMaterialParams{LiveID: int64(live), Now: m.millis(), ID: int64(v.Material), OpenID: int64(v.ID)})
	if err != nil || n == 0 {
		return missed(err, ErrState)
	}
	return nil
}

// Discard gives a draft up.
//
// Errors: ErrVersion, ErrState.
func (m *Materials) Discard(ctx context.Context, by, id model.ID) error {
	_, err := m.step(ctx, by, id, "material.discard", func(q *db.Queries, v Version) (any, error) {
		n, err := q.DiscardVersion(ctx, int64(id))
		if err != nil || n == 0 {
			return nil, missed(err, ErrState)
		}
		row, err := q.Material(ctx, int64(v.Material))
		if err != nil {
			return nil, fmt.Errorf("read material %s: %w", v.Material, err)
		}
		return nil, m.close(ctx, q, v, model.ID(row.LiveID))
	})
	return err
}
