package material

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"

	"kaimenhong/model"
	"kaimenhong/model/page"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/material/internal/db"
)

// Fresh is a material to be made.
type Fresh struct {
	Folder model.ID
	Kind   Kind
	Name   string
	Tags   []string
	Body   Body
}

// Create keeps a new material with its first draft, which may still have problems.
//
// Errors: ErrKind, ErrName, ErrTag, ErrNoFolder, ErrBody.
func (m *Materials) Create(ctx context.Context, by model.ID, f Fresh) (Material, error) {
	if !slices.ContainsFunc(Kinds, func(k NamedKind) bool { return k.Kind == f.Kind }) {
		return Material{}, ErrKind
	}
	tags, err := checkPlace(f.Name, f.Tags)
	if err != nil {
		return Material{}, err
	}
	body, err := written(f.Body)
	if err != nil {
		return Material{}, err
	}
	id, version := m.IDs.Next(), m.IDs.Next()
	err = sqldb.InTx(ctx, m.DB, func(tx *sql.Tx) error {
		q := m.q.WithTx(tx)
		if err := inFolder(ctx, q, f.Folder); err != nil {
			return err
		}
		err := q.InsertMaterial(ctx, db.InsertMaterialParams{
			ID: int64(id), FolderID: int64(f.Folder), Kind: string(f.Kind), Name: f.Name, OpenID: int64(version), CreatedBy: int64(by), CreatedAt: m.millis(),
		})
		if err != nil {
			return fmt.Errorf("insert material: %w", err)
		}
		if err := tagTx(ctx, q, id, tags); err != nil {
			return err
		}
		if err := m.insertVersion(ctx, q, by, id, version, 1, f.Kind, body); err != nil {
			return err
		}
		return m.record(ctx, tx, by, "material.create", "material", id, map[string]any{"kind": f.Kind, "name": f.Name, "version": version})
	})
	if err != nil {
		return Material{}, err
	}
	return m.Material(ctx, id)
}

// checkPlace checks a name and its tags, and sorts these.
func checkPlace(name string, tags []string) ([]string, error) {
	if !plain(name, maxName) {
		return nil, ErrName
	}
	tags = slices.Compact(slices.Sorted(slices.Values(tags)))
	if len(tags) > maxTags {
		return nil, ErrTag
	}
	for _, t := range tags {
		if !plain(t, maxTag) {
			return nil, ErrTag
		}
	}
	return tags, nil
}

// written is a body as it is kept.
func written(b Body) (string, error) {
	text, err := json.Marshal(b)
	if err != nil {
		return "", ErrBody.With(err)
	}
	if len(text) > maxBody {
		return "", ErrBody.Saying("内容过长，请精简")
	}
	return string(text), nil
}

func inFolder(ctx context.Context, q *db.Queries, folder model.ID) error {
	if folder == 0 {
		return nil
	}
	all, err := folders(ctx, q)
	if err != nil {
		return err
	}
	return place(all, folder, 0)
}

func tagTx(ctx context.Context, q *db.Queries, id model.ID, tags []string) error {
	if err := q.DeleteTags(ctx, int64(id)); err != nil {
		return fmt.Errorf("untag material %s: %w", id, err)
	}
	for _, t := range tags {
		if err := q.InsertTag(ctx, db.InsertTagParams{MaterialID: int64(id), Tag: t}); err != nil {
			return fmt.Errorf("tag material %s: %w", id, err)
		}
	}
	return nil
}

func (m *Materials) insertVersion(ctx context.Context, q *db.Queries, by, material, version model.ID, number int, kind Kind, body string) error {
	err := q.InsertVersion(ctx, db.InsertVersionParams{
		ID: int64(version), MaterialID: int64(material), Number: int32(number), Kind: string(kind), Body: body, CreatedBy: int64(by), CreatedAt: m.millis(),
	})
	if sqldb.Duplicate(err) {
		return ErrOpen
	}
	if err != nil {
		return fmt.Errorf("insert version: %w", err)
	}
	return writes(ctx, q, version, by)
}

// writes makes the operator an author of the version.
func writes(ctx context.Context, q *db.Queries, version, by model.ID) error {
	err := q.InsertAuthor(ctx, db.InsertAuthorParams{VersionID: int64(version), OperatorID: int64(by)})
	if err != nil && !sqldb.Duplicate(err) {
		return fmt.Errorf("name an author: %w", err)
	}
	return nil
}

// Material is one entry.
//
// Errors: ErrUnknown.
func (m *Materials) Material(ctx context.Context, id model.ID) (Material, error) {
	row, err := m.q.Material(ctx, int64(id))
	if errors.Is(err, sql.ErrNoRows) {
		return Material{}, ErrUnknown
	}
	if err != nil {
		return Material{}, fmt.Errorf("read material %s: %w", id, err)
	}
	all, err := m.tagged(ctx, []db.Material{row})
	if err != nil {
		return Material{}, err
	}
	return all[0], nil
}

func (m *Materials) tagged(ctx context.Context, rows []db.Material) ([]Material, error) {
	all, at, ids := make([]Material, 0, len(rows)), map[int64]int{}, make([]int64, 0, len(rows))
	for i, r := range rows {
		at[r.ID], ids = i, append(ids, r.ID)
		all = append(all, Material{
			ID: model.ID(r.ID), Folder: model.ID(r.FolderID), Kind: Kind(r.Kind), Name: r.Name, Open: model.ID(r.OpenID), Live: model.ID(r.LiveID),
			Retired: r.RetiredAt != 0, Revision: r.Revision, CreatedBy: model.ID(r.CreatedBy), CreatedAt: model.Millis(r.CreatedAt), UpdatedAt: model.Millis(r.UpdatedAt),
		})
	}
	if len(ids) == 0 {
		return all, nil
	}
	tags, err := m.q.TagsOf(ctx, ids)
	if err != nil {
		return nil, fmt.Errorf("read the tags: %w", err)
	}
	for _, t := range tags {
		mat := &all[at[t.MaterialID]]
		mat.Tags = append(mat.Tags, t.Tag)
	}
	return all, nil
}

// Filter says which materials are listed; a zero field takes all.
type Filter struct {
	Folder  *model.ID // 0 is the top
	Kind    Kind
	Tag     string
	Words   string // within the name
	Retired bool   // those too
	Live    bool   // only what was published
}

// Materials lists the library, newest first.
//
// Errors: page.ErrCursor.
func (m *Materials) Materials(ctx context.Context, f Filter, cursor string, limit int) ([]Material, string, error) {
	before, err := page.Before(cursor)
	if err != nil {
		return nil, "", err
	}
	size := page.Size(limit)
	in := db.MaterialsParams{Before: before, FolderID: -1, Kind: string(f.Kind), Words: f.Words, Tag: f.Tag, Limit: size + 1}
	if f.Folder != nil {
		in.FolderID = int64(*f.Folder)
	}
	if f.Retired {
		in.RetiredTo = math.MaxInt64
	}
	if f.Live {
		in.LiveFrom = 1
	}
	rows, err := m.q.Materials(ctx, in)
	if err != nil {
		return nil, "", fmt.Errorf("list the materials: %w", err)
	}
	rows, next := page.Cut(rows, size, func(r db.Material) string { return page.Cursor(r.ID) })
	list, err := m.tagged(ctx, rows)
	return list, next, err
}

// Arrangement is where a material lies and how it is called.
type Arrangement struct {
	Folder  model.ID
	Name    string
	Tags    []string
	Retired bool
}

// Arrange changes where a material lies; revision is the one that was looked at.
//
// Errors: ErrName, ErrTag, ErrUnknown, ErrNoFolder, ErrEdited.
func (m *Materials) Arrange(ctx context.Context, by, id model.ID, revision int64, to Arrangement) (Material, error) {
	tags, err := checkPlace(to.Name, to.Tags)
	if err != nil {
		return Material{}, err
	}
	err = sqldb.InTx(ctx, m.DB, func(tx *sql.Tx) error {
		q := m.q.WithTx(tx)
		if _, err := q.Material(ctx, int64(id)); errors.Is(err, sql.ErrNoRows) {
			return ErrUnknown
		} else if err != nil {
			return fmt.Errorf("read material %s: %w", id, err)
		}
		if err := inFolder(ctx, q, to.Folder); err != nil {
			return err
		}
		in := db.ArrangeMaterialParams{FolderID: int64(to.Folder), Name: to.Name, Now: m.millis(), ID: int64(id), Revision: revision}
		if to.Retired {
			in.RetiredAt = in.Now
		}
		n, err := q.ArrangeMaterial(ctx, in)
		if err != nil {
			return fmt.Errorf("arrange material %s: %w", id, err)
		}
		if n == 0 {
			return ErrEdited
		}
		if err := tagTx(ctx, q, id, tags); err != nil {
			return err
		}
		return m.record(ctx, tx, by, "material.arrange", "material", id, map[string]any{"folder": to.Folder, "name": to.Name, "tags": tags, "retired": to.Retired})
	})
	if err != nil {
		return Material{}, err
	}
	return m.Material(ctx, id)
}

// Tag is a tag and how many materials have it.
type Tag struct {
	Name  string
	Count int64
}

// Tags are all of them, at most 1,000.
func (m *Materials) Tags(ctx context.Context) ([]Tag, error) {
	rows, err := m.q.Tags(ctx, 1000)
	if err != nil {
		return nil, fmt.Errorf("read the tags: %w", err)
	}
	all := make([]Tag, 0, len(rows))
	for _, r := range rows {
		all = append(all, Tag{r.Tag, r.N})
	}
	return all, nil
}
