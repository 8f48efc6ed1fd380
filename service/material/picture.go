package material

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"image"
	_ "image/gif"  // the formats that
	_ "image/jpeg" // WeChat takes
	_ "image/png"

	"kaimenhong/model"
	"kaimenhong/model/fault"
	"kaimenhong/model/page"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/material/internal/db"
)

// The faults of a picture.
var (
	ErrPicture   = fault.New(fault.Invalid, "material.picture", "图片无法识别：请使用PNG、JPEG或GIF")
	ErrSize      = fault.New(fault.Invalid, "material.picture_size", "图片过大：文件不超过2MB，长宽各不超过4096像素")
	ErrNoPicture = fault.New(fault.NotFound, "material.no_picture", "没有这张图片")
)

// The bounds of a picture. WeChat takes 10 MB; a subscriber on the road would wait for
// it, and a row of 2 MB passes every database as it is set up.
const (
	MaxPicture = 2 << 20 // bytes
	maxSide    = 4096    // pixels
)

// Picture is a picture of the library.
type Picture struct {
	ID        model.ID
	Format    string // png, jpeg, gif
	Width     int
	Height    int
	Size      int    // bytes
	MediaID   string // WeChat's; empty until it has taken the picture
	URL       string // WeChat's, for articles
	CreatedBy model.ID
	CreatedAt model.Millis
}

// sniff tells what the bytes are, whatever they are called. The header alone is read,
// so that a small file that unpacks to a huge picture costs nothing.
func sniff(content []byte) (image.Config, string, error) {
	if len(content) > MaxPicture {
		return image.Config{}, "", ErrSize
	}
	cfg, format, err := image.DecodeConfig(bytes.NewReader(content))
	if err != nil {
		return image.Config{}, "", ErrPicture.With(err)
	}
	if cfg.Width < 1 || cfg.Height < 1 || cfg.Width > maxSide || cfg.Height > maxSide {
		return image.Config{}, "", ErrSize
	}
	return cfg, format, nil
}

// AddPicture keeps a picture and hands it to WeChat's material store. The same bytes
// are one picture, whoever brings them: when WeChat could not be reached the first
// time, bringing them again tries again.
//
// WeChat's store is no part of the transaction: a process that dies between WeChat's
// answer and the note of it leaves one picture there that nobody uses.
//
// Errors: ErrPicture, ErrSize, and what WeChat said; the picture is kept all the same.
func (m *Materials) AddPicture(ctx context.Context, by model.ID, content []byte) (Picture, error) {
	cfg, format, err := sniff(content)
	if err != nil {
		return Picture{}, err
	}
	sum := sha256.Sum256(content)
	hash := hex.EncodeToString(sum[:])
	kept := false
	row, err := m.q.PictureByHash(ctx, hash)
	if errors.Is(err, sql.ErrNoRows) {
		row, kept, err = m.keepPicture(ctx, by, hash, format, cfg, content)
	}
	if err != nil {
		return Picture{}, fmt.Errorf("keep a picture: %w", err)
	}
	if row.MediaID != "" {
		return picture(row), m.brought(ctx, by, row.ID, "material.picture_again", nil)
	}
	mediaID, url, err := m.Store.AddPicture(ctx, model.ID(row.ID).String()+"."+format, content)
	if err != nil {
		return picture(row), fmt.Errorf("upload picture %d: %w", row.ID, err)
	}
	if mediaID == "" || len(mediaID) > maxLibraryID || len(url) > maxAddress {
		return picture(row), fmt.Errorf("upload picture %d: %w", row.ID, ErrPicture)
	}
	set := db.SetPictureMediaParams{MediaID: mediaID, Url: url, ID: row.ID}
	if kept { // by this call, which has its line
		_, err = m.q.SetPictureMedia(ctx, set)
	} else {
		err = m.brought(ctx, by, row.ID, "material.picture_upload", func(q *db.Queries) error {
			_, err := q.SetPictureMedia(ctx, set)
			return err
		})
	}
	if err != nil {
		return picture(row), err
	}
	if row, err = m.q.PictureByHash(ctx, hash); err != nil {
		return Picture{}, fmt.Errorf("read picture: %w", err)
	}
	return picture(row), nil
}

// brought notes what became of a picture, with the audit's row.
func (m *Materials) brought(ctx context.Context, by model.ID, id int64, action string, change func(*db.Queries) error) error {
	err := sqldb.InTx(ctx, m.DB, func(tx *sql.Tx) error {
		if change != nil {
			if err := change(m.q.WithTx(tx)); err != nil {
				return err
			}
		}
		return m.record(ctx, tx, by, action, "picture", model.ID(id), nil)
	})
	if err != nil {
		return fmt.Errorf("note picture %d: %w", id, err)
	}
	return nil
}

// keepPicture saves the picture and tells whether it was this call that did.
func (m *Materials) keepPicture(ctx context.Context, by model.ID, hash, format string, cfg image.Config, content []byte) (row db.PictureByHashRow, kept bool, err error) {
	id := m.IDs.Next()
	err = sqldb.InTx(ctx, m.DB, func(tx *sql.Tx) error {
		err := m.q.WithTx(tx).InsertPicture(ctx, db.InsertPictureParams{
			ID: int64(id), Sha256: hash, Format: format, Width: int32(cfg.Width), Height: int32(cfg.Height), Size: int32(len(content)), Content: content,
			CreatedBy: int64(by), CreatedAt: m.millis(),
		})
		if err != nil {
			return err
		}
		return m.record(ctx, tx, by, "material.picture_add", "picture", id, map[string]any{"format": format, "size": len(content)})
	})
	kept = err == nil
	if err != nil && !sqldb.Duplicate(err) {
		return row, false, err
	}
	row, err = m.q.PictureByHash(ctx, hash)
	return row, kept, err
}

func picture(r db.PictureByHashRow) Picture {
	return Picture{
		ID: model.ID(r.ID), Format: r.Format, Width: int(r.Width), Height: int(r.Height), Size: int(r.Size), MediaID: r.MediaID, URL: r.Url,
		CreatedBy: model.ID(r.CreatedBy), CreatedAt: model.Millis(r.CreatedAt),
	}
}

// Pictures lists them, newest first.
//
// Errors: page.ErrCursor.
func (m *Materials) Pictures(ctx context.Context, cursor string, limit int) (list []Picture, next string, err error) {
	before, err := page.Before(cursor)
	if err != nil {
		return nil, "", err
	}
	size := page.Size(limit)
	rows, err := m.q.PicturesBefore(ctx, db.PicturesBeforeParams{Before: before, Limit: size + 1})
	if err != nil {
		return nil, "", fmt.Errorf("list the pictures: %w", err)
	}
	rows, next = page.Cut(rows, size, func(r db.PicturesBeforeRow) string { return page.Cursor(r.ID) })
	for _, r := range rows {
		list = append(list, picture(db.PictureByHashRow(r)))
	}
	return list, next, nil
}

// PictureContent is the picture itself and its type, image/png.
//
// Errors: ErrNoPicture.
func (m *Materials) PictureContent(ctx context.Context, id model.ID) (content []byte, contentType string, err error) {
	row, err := m.q.PictureContent(ctx, int64(id))
	if errors.Is(err, sql.ErrNoRows) {
		return nil, "", ErrNoPicture
	}
	if err != nil {
		return nil, "", fmt.Errorf("read picture %s: %w", id, err)
	}
	return row.Content, "image/" + row.Format, nil
}

// draft makes a body ready that is not published: it names nothing that is retired.
func (m *Materials) draft(ctx context.Context, kind Kind, b Body) (*compiled, error) {
	c, err := m.compile(ctx, kind, b)
	if err == nil && c.template.RetiredAt != 0 {
		c.problem("template", "模板“%s”已停用，请改用其他模板", c.template.Title)
	}
	return c, err
}

// compile makes a body ready with what it names.
func (m *Materials) compile(ctx context.Context, kind Kind, b Body) (*compiled, error) {
	have := outside{pictures: map[model.ID]Picture{}}
	ids := make([]int64, 0, maxArticles+1)
	if b.Picture != 0 {
		ids = append(ids, int64(b.Picture))
	}
	for _, a := range b.Articles[:min(len(b.Articles), maxArticles)] {
		if a.Picture != 0 {
			ids = append(ids, int64(a.Picture))
		}
	}
	if len(ids) > 0 {
		rows, err := m.q.PicturesOf(ctx, ids)
		if err != nil {
			return nil, fmt.Errorf("read the pictures: %w", err)
		}
		for _, r := range rows {
			have.pictures[model.ID(r.ID)] = picture(db.PictureByHashRow(r))
		}
	}
	if b.Template != 0 {
		t, err := m.Template(ctx, b.Template)
		if err != nil && !errors.Is(err, ErrNoTemplate) {
			return nil, err
		}
		have.template = t
	}
	return compile(kind, b, have), nil
}
