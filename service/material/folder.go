package material

import (
	"context"
	"database/sql"
	"fmt"

	"kaimenhong/model"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/material/internal/db"
)

// Folder is a place in the library.
type Folder struct {
	ID        model.ID
	Parent    model.ID // 0: the top
	Name      string
	CreatedAt model.Millis
}

// The bounds of the folders.
const (
	maxFolders    = 500
	maxDepth      = 5
	maxFolderName = 20 // characters
)

// Folders are all of them, those of one parent together.
func (m *Materials) Folders(ctx context.Context) ([]Folder, error) {
	return folders(ctx, m.q)
}

func folders(ctx context.Context, q *db.Queries) ([]Folder, error) {
	rows, err := q.Folders(ctx, maxFolders)
	if err != nil {
		return nil, fmt.Errorf("read the folders: %w", err)
	}
	all := make([]Folder, 0, len(rows))
	for _, r := range rows {
		all = append(all, Folder{model.ID(r.ID), model.ID(r.ParentID), r.Name, model.Millis(r.CreatedAt)})
	}
	return all, nil
}

// AddFolder makes a folder in parent, 0 for the top.
//
// Errors: ErrFolder, ErrNoFolder, ErrTaken, ErrFull.
func (m *Materials) AddFolder(ctx context.Context, by, parent model.ID, name string) (Folder, error) {
	if !plain(name, maxFolderName) {
		return Folder{}, ErrFolder
	}
	f := Folder{m.IDs.Next(), parent, name, model.At(m.Now())}
	err := sqldb.InTx(ctx, m.DB, func(tx *sql.Tx) error {
		q := m.q.WithTx(tx)
		all, err := folders(ctx, q)
		if err != nil {
			return err
		}
		if len(all) >= maxFolders {
			return ErrFull.Saying("文件夹最多%d个", maxFolders)
		}
		if err := place(all, parent, 1); err != nil {
			return err
		}
		err = q.InsertFolder(ctx, db.InsertFolderParams{
			ID: int64(f.ID), ParentID: int64(parent), Name: name, CreatedBy: int64(by), CreatedAt: int64(f.CreatedAt),
		})
		if sqldb.Duplicate(err) {
			return ErrTaken
		}
		if err != nil {
			return fmt.Errorf("insert folder: %w", err)
		}
		return m.record(ctx, tx, by, "material.folder_add", "folder", f.ID, map[string]any{"parent": parent, "name": name})
	})
	if err != nil {
		return Folder{}, err
	}
	return f, nil
}

// place tells whether something of the given depth may lie in the folder.
func place(all []Folder, folder model.ID, depth int) error {
	parents := make(map[model.ID]model.ID, len(all))
	for _, f := range all {
		parents[f.ID] = f.Parent
	}
	for range maxDepth + 1 {
		if folder == 0 {
			break
		}
		parent, found := parents[folder]
		if !found {
			return ErrNoFolder
		}
		folder, depth = parent, depth+1
	}
	if depth > maxDepth {
		return ErrFolder
	}
	return nil
}

// RenameFolder gives a folder another name.
//
// Errors: ErrFolder, ErrNoFolder, ErrTaken.
func (m *Materials) RenameFolder(ctx context.Context, by, folder model.ID, name string) error {
	if !plain(name, maxFolderName) {
		return ErrFolder
	}
	return sqldb.InTx(ctx, m.DB, func(tx *sql.Tx) error {
		n, err := m.q.WithTx(tx).RenameFolder(ctx, db.RenameFolderParams{Name: name, ID: int64(folder)})
		if sqldb.Duplicate(err) {
			return ErrTaken
		}
		if err != nil {
			return fmt.Errorf("rename folder %s: %w", folder, err)
		}
		if n == 0 {
			return ErrNoFolder
		}
		return m.record(ctx, tx, by, "material.folder_rename", "folder", folder, map[string]any{"name": name})
	})
}

// RemoveFolder removes a folder in which nothing is.
//
// Errors: ErrNoFolder, ErrNotEmpty.
func (m *Materials) RemoveFolder(ctx context.Context, by, folder model.ID) error {
	return sqldb.InTx(ctx, m.DB, func(tx *sql.Tx) error {
		q := m.q.WithTx(tx)
		all, err := folders(ctx, q)
		if err != nil {
			return err
		}
		there, inner := false, 0
		for _, f := range all {
			if f.Parent == folder {
				inner++
			}
			there = there || f.ID == folder
		}
		if !there {
			return ErrNoFolder
		}
		if inner > 0 {
			return notEmpty(ctx, q, folder, inner)
		}
		n, err := q.DeleteFolder(ctx, db.DeleteFolderParams{ID: int64(folder)})
		if err != nil {
			return fmt.Errorf("delete folder %s: %w", folder, err)
		}
		if n == 0 {
			return notEmpty(ctx, q, folder, inner)
		}
		return m.record(ctx, tx, by, "material.folder_remove", "folder", folder, nil)
	})
}

// notEmpty is ErrNotEmpty in the words of what is in the folder.
func notEmpty(ctx context.Context, q *db.Queries, folder model.ID, inner int) error {
	in, err := q.InFolder(ctx, int64(folder))
	if err != nil {
		return fmt.Errorf("look into folder %s: %w", folder, err)
	}
	return ErrNotEmpty.Saying("文件夹里还有%d个文件夹、%d个素材（其中%d个已停用），请先移走", inner, in.Materials, in.Retired)
}
