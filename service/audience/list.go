package audience

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"slices"

	"kaimenhong/model"
	"kaimenhong/model/fault"
	"kaimenhong/model/page"
	"kaimenhong/model/sheet"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/audience/internal/db"
)

// ErrListName is answered for a list without a name that a person can read.
var ErrListName = fault.New(fault.Invalid, "audience.list_name", "名单名称应为1到20个字，且不能以=、+、-、@开头")

// MaxList is how many lines an uploaded list has at most.
const MaxList = 200_000

// List is an uploaded list of numbers.
type List struct {
	ID        model.ID     `json:"id"`
	Name      string       `json:"name"`
	Size      int64        `json:"size"` // people who are known by their number
	CreatedAt model.Millis `json:"createdAt"`
}

// ListUpload is what became of an upload.
type ListUpload struct {
	List
	Unknown int64       `json:"unknown"`        // numbers of nobody whom we know: import them first
	Refused int64       `json:"refused"`        // lines with a mistake
	Errors  []LineError `json:"errors"`         // the first MaxDryErrors
	Note    string      `json:"note,omitempty"` // what of a workbook is not read
}

// listNoted is what the audit keeps of an upload.
type listNoted struct {
	Name    string `json:"name"`    // the list's, by which it is known when it is gone
	Members int    `json:"members"` // who came onto it
}

// UploadList saves a CSV or XLSX file with a column 手机号 as a list, all of it in one
// transaction, for an operator who looks after these regions: to him the numbers of people
// elsewhere are nobody's; no region is everywhere. The same file is the same list, under
// its first name; whose numbers became known since comes onto it. A customer on it who
// becomes a member stays on it.
// Errors: ErrListName, ErrFileSize, ErrFileFormat, ErrFileBomb, ErrMapping.
func (a *Audience) UploadList(ctx context.Context, regions model.Regions, by model.ID, name string, r io.Reader) (ListUpload, error) {
	out := ListUpload{Errors: []LineError{}}
	if !validName(name) {
		return out, ErrListName
	}
	f, hash, err := spool(r)
	if err != nil {
		return out, err
	}
	defer func() { _ = f.Close() }()
	s, err := openSheet(f)
	if err != nil {
		return out, err
	}
	defer s.Close()
	out.Note = s.Note
	ids, err := a.listed(ctx, regions, s, &out)
	if err != nil {
		return out, err
	}
	id, now := int64(a.IDs.Next()), int64(a.nowMillis())
	args := make([]any, 0, 2*len(ids))
	for _, member := range ids {
		args = append(args, id, member)
	}
	err = sqldb.InTx(ctx, a.DB, func(tx *sql.Tx) error {
		list := db.InsertListParams{ID: id, Name: name, FileHash: hash, Size: int64(len(ids)), CreatedAt: now}
		if err := a.q.WithTx(tx).InsertList(ctx, list); err != nil {
			return err
		}
		if err := insertRows(ctx, tx, "audience_list_member", 2, args); err != nil {
			return err
		}
		return a.recordTx(ctx, tx, model.AuditEntry{Operator: by, Action: "list.upload", Target: listRef(model.ID(id)), Detail: listNoted{name, len(ids)}})
	})
	if sqldb.Duplicate(err) { // the same file again
		err = a.extend(ctx, by, hash, ids)
	}
	if err != nil {
		return out, fmt.Errorf("save a list: %w", err)
	}
	saved, err := a.q.ListByHash(ctx, hash)
	if err != nil {
		return out, fmt.Errorf("read a list: %w", err)
	}
	out.List = listOf(saved)
	return out, nil
}

// extend puts on the list of a file who is not on it yet.
func (a *Audience) extend(ctx context.Context, by model.ID, hash string, ids []int64) error {
	return sqldb.InTx(ctx, a.DB, func(tx *sql.Tx) error {
		q := a.q.WithTx(tx)
		n, err := q.HoldListByHash(ctx, hash) // two at once would both add
		if err != nil || n == 0 {
			return absent(err, ErrNoList) // deleted a moment ago
		}
		list, err := q.ListByHash(ctx, hash)
		if err != nil {
			return err
		}
		var args []any
		for part := range slices.Chunk(ids, insertBatch) {
			have, err := q.Listed(ctx, db.ListedParams{ListID: list.ID, Ids: part})
			if err != nil {
				return err
			}
			for _, id := range part {
				if !slices.Contains(have, id) {
					args = append(args, list.ID, id)
				}
			}
		}
		if err := insertRows(ctx, tx, "audience_list_member", 2, args); err != nil {
			return err
		}
		more := len(args) / 2
		if err := q.GrowList(ctx, db.GrowListParams{ID: list.ID, More: int64(more)}); err != nil {
			return err
		}
		return a.recordTx(ctx, tx, model.AuditEntry{Operator: by, Action: "list.upload", Target: listRef(model.ID(list.ID)), Detail: listNoted{list.Name, more}})
	})
}

// listed reads the numbers and finds whose they are, in order and each once.
func (a *Audience) listed(ctx context.Context, regions model.Regions, s *sheet.Sheet, out *ListUpload) ([]int64, error) {
	mapping := Mapping{}
	for heading, key := range suggest(s.Heads) {
		if key == fieldPhone {
			mapping[heading] = key
		}
	}
	p, err := newParser(a, s, mapping, 0)
	if err != nil {
		return nil, err
	}
	var ids []int64
	total := int64(0)
	for last := false; !last; {
		b, err := p.batch()
		if err != nil {
			return nil, err
		}
		if total += b.total; total > MaxList {
			return nil, ErrFileSize.Saying("名单超过%d行，请拆成几个名单", MaxList)
		}
		known, err := a.customers(ctx, a.q, b.lines)
		if err != nil {
			return nil, err
		}
		for i := range b.lines {
			if c, ok := known[b.lines[i].index]; ok {
				ids = append(ids, c.MemberID)
			} else {
				out.Unknown++
			}
		}
		last = b.last
		out.Refused += b.refused
		out.Errors = append(out.Errors, b.errors[:min(len(b.errors), MaxDryErrors-len(out.Errors))]...)
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	if len(regions) == 0 {
		return ids, nil
	}
	here, err := a.here(ctx, regions, ids)
	out.Unknown += int64(len(ids) - len(here))
	return here, err
}

// here are those of the people who live in one of the regions.
func (a *Audience) here(ctx context.Context, regions model.Regions, ids []int64) (here []int64, err error) {
	for part := range slices.Chunk(ids, MaxAmong) {
		members := make([]model.MemberID, len(part))
		for i, id := range part {
			members[i] = model.MemberID(id)
		}
		living, err := a.Living(ctx, regions, members)
		if err != nil {
			return nil, err
		}
		for _, m := range living {
			here = append(here, int64(m))
		}
	}
	return here, nil
}

func listOf(l db.AudienceList) List {
	return List{ID: model.ID(l.ID), Name: l.Name, Size: l.Size, CreatedAt: model.Millis(l.CreatedAt)}
}

// Lists lists the newest first; cursor is "" or the one that came with the page
// before. Errors: page.ErrCursor.
func (a *Audience) Lists(ctx context.Context, cursor string, limit int) (lists []List, next string, err error) {
	before, err := page.Before(cursor)
	if err != nil {
		return nil, "", err
	}
	size := page.Size(limit)
	found, err := a.q.Lists(ctx, db.ListsParams{Before: before, Limit: size + 1})
	if err != nil {
		return nil, "", fmt.Errorf("list lists: %w", err)
	}
	found, next = page.Cut(found, size, func(l db.AudienceList) string { return page.Cursor(l.ID) })
	for _, l := range found {
		lists = append(lists, listOf(l))
	}
	return lists, next, nil
}

// FieldInfo is what a console needs to offer a field for a column.
type FieldInfo struct {
	Key    string   `json:"key"`
	Titles []string `json:"titles"` // headings that are understood by themselves
}

// Fields are what the columns of a file may be mapped to.
func Fields() []FieldInfo {
	list := make([]FieldInfo, 0, len(fields))
	for i := range fields {
		list = append(list, FieldInfo{fields[i].key, fields[i].titles})
	}
	return list
}
