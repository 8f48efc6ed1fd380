package audience

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"kaimenhong/model"
	"kaimenhong/model/fault"
	"kaimenhong/model/page"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/audience/internal/db"
)

// The faults of an import.
var (
	ErrNoImport  = fault.New(fault.NotFound, "audience.no_import", "没有这次导入")
	ErrImporting = fault.New(fault.Conflict, "audience.importing", "这个文件正在导入，请稍后查看进度")
	ErrAsOf      = fault.New(fault.Invalid, "audience.as_of", "数据日期不能晚于现在")
)

// Upload is a file of the carrier's as it comes.
type Upload struct {
	Name     string // at most 100 characters
	Operator model.ID
	AsOf     model.Millis // of the facts; 0 stands for now
	Mapping  Mapping      // nil: by the headings alone
	File     io.Reader    // CSV (UTF-8 or GB18030) or XLSX, at most 512 MB
}

// Import is how far a file is. Once DoneAt is set it never changes.
type Import struct {
	ID        model.ID     `json:"id"`
	Name      string       `json:"name"`
	Operator  model.ID     `json:"operator"`
	AsOf      model.Millis `json:"asOf"`
	Line      int64        `json:"line"`    // the last line that is saved
	Lines     int64        `json:"lines"`   // of the file, about: how far Line has to go; 0 when nobody knows
	Total     int64        `json:"total"`   // lines with content
	Added     int64        `json:"added"`   // customers that were not known
	Changed   int64        `json:"changed"` // customers and members that were
	Refused   int64        `json:"refused"` // lines with a mistake
	CreatedAt model.Millis `json:"createdAt"`
	DoneAt    model.Millis `json:"doneAt"`
	State     ImportState  `json:"state"`
	Text      string       `json:"text"` // the state in a sentence: what holds, and what to do
	// Note is of the file that was just handed in: what of its workbook is not read, and
	// that a file that comes again keeps its first date.
	Note string `json:"note,omitempty"`
}

// LineError is one line that was refused, and why, for the operator.
type LineError struct {
	Line int64  `json:"line"`
	Text string `json:"text"`
}

// The bounds of reports.
const (
	// MaxDryErrors is how many mistakes a dry run tells.
	MaxDryErrors = 100
	// MaxImportErrors is how many mistakes of one import are kept; all are counted.
	MaxImportErrors = 10_000
	maxDetail       = 80 // characters
	maxFileName     = 100
)

// DryRun is what an import would do. Nothing is saved.
type DryRun struct {
	Headings []string    `json:"headings"`
	Mapping  Mapping     `json:"mapping"` // as given, or as the headings suggest
	Total    int64       `json:"total"`
	Added    int64       `json:"added"`
	Changed  int64       `json:"changed"`
	Refused  int64       `json:"refused"`
	Repeated int64       `json:"repeated"`       // of the changed: lines whose number an earlier line has; the last one holds
	Errors   []LineError `json:"errors"`         // the first MaxDryErrors
	Note     string      `json:"note,omitempty"` // what of a workbook is not read
}

// DryRun reads the whole file and tells what an import would do. It remembers 8 bytes
// of each number, 20 MB for the longest file. Errors: as of Import.
func (a *Audience) DryRun(ctx context.Context, u Upload) (DryRun, error) {
	f, _, err := spool(u.File)
	if err != nil {
		return DryRun{}, err
	}
	defer func() { _ = f.Close() }()
	s, err := openSheet(f)
	if err != nil {
		return DryRun{}, err
	}
	defer s.Close()
	p, err := newParser(a, s, u.Mapping, 0)
	if err != nil {
		return DryRun{Headings: s.Heads, Mapping: suggest(s.Heads), Errors: []LineError{}, Note: s.Note}, err
	}
	out := DryRun{Headings: s.Heads, Mapping: p.mapping, Errors: []LineError{}, Note: s.Note}
	numbers := newSeen()
	for last := false; !last; {
		var b *batch
		if b, err = p.batch(); err != nil {
			return out, err
		}
		last = b.last
		out.Total += b.total
		out.Refused += b.refused
		out.Errors = append(out.Errors, b.errors[:min(len(b.errors), MaxDryErrors-len(out.Errors))]...)
		known, err := a.customers(ctx, a.q, b.lines)
		if err != nil {
			return out, err
		}
		for _, l := range b.lines {
			again := numbers.before(l.index)
			if again {
				out.Repeated++
			}
			if _, ok := known[l.index]; ok || again {
				out.Changed++
			} else {
				out.Added++
			}
		}
	}
	return out, nil
}

// Import saves the file in batches, each with its checkpoint in one transaction.
// The same file with the same mapping is imported once, for ever: handed in again
// it goes on where a killed import stopped, or answers what it did. One that is halted
// meanwhile is answered as far as it came.
//
// Errors: ErrFileSize, ErrFileFormat, ErrFileBomb, ErrMapping, ErrAsOf before
// anything is saved; ErrPaused, ErrImporting; the store's, after which it can be
// handed in again.
func (a *Audience) Import(ctx context.Context, u Upload) (Import, error) {
	var asOf model.Millis
	done, err := a.read(u, func(p *parser, hash string) (Import, error) {
		standing, err := a.beginImport(ctx, u, hash, p)
		asOf = model.Millis(standing.AsOf)
		if err == nil && haltOf(standing) == ImportPaused {
			return a.stands(standing), ErrPaused.Saying("这个文件的导入已暂停在第%d行：请用“继续”再上传它，或先取消那次导入", standing.DoneLine)
		}
		if err == nil {
			err = a.record(ctx, model.AuditEntry{Operator: u.Operator, Action: "audience.import", Target: importRef(standing.ID), Detail: p.mapping})
		}
		if err != nil || standing.DoneAt != 0 {
			return a.stands(standing), err
		}
		return a.goOn(ctx, p, standing.ID)
	})
	if err == nil && u.AsOf != 0 && u.AsOf != asOf {
		done.Note = strings.TrimPrefix(done.Note+"；"+fmt.Sprintf("同一个文件只导入一次，数据日期仍是第一次上传时的%s，这次填的没有采用", asOf.Time().Format("2006-01-02 15:04")), "；")
	}
	return done, err
}

// read spools the file, reads its heading and gives run what is to be parsed, with the
// hash of the file.
func (a *Audience) read(u Upload, run func(p *parser, hash string) (Import, error)) (Import, error) {
	f, hash, err := spool(u.File)
	if err != nil {
		return Import{}, err
	}
	defer func() { _ = f.Close() }()
	s, err := openSheet(f)
	if err != nil {
		return Import{}, err
	}
	defer s.Close()
	p, err := newParser(a, s, u.Mapping, 0)
	if err != nil {
		return Import{}, err
	}
	done, err := run(p, hash)
	done.Note = s.Note
	return done, err
}

// goOn saves the lines that are not saved yet, until the end of the file or a halt.
func (a *Audience) goOn(ctx context.Context, p *parser, id int64) (Import, error) {
	token := rand.Text()
	now := a.nowMillis()
	n, err := a.q.LeaseImport(ctx, db.LeaseImportParams{
		ID: id, Token: token, Now: int64(now), LeasedUntil: int64(now.Add(a.opts.ImportLease)),
	})
	if err != nil {
		return Import{}, fmt.Errorf("lease an import: %w", err)
	}
	if n == 0 {
		return a.halted(ctx, id, ErrImporting)
	}
	defer a.release(context.WithoutCancel(ctx), id, token)
	// What a killed import saved meanwhile is read after the lease is held.
	standing, err := a.q.ImportByID(ctx, id)
	if err != nil {
		return Import{}, fmt.Errorf("read an import: %w", err)
	}
	p.after = standing.DoneLine
	w := &writer{a: a, p: p, id: id, token: token, done: standing.DoneLine, refused: standing.Refused,
		source: source{model.ID(id), model.Millis(standing.AsOf)}, over: map[int64]int64{}}
	if p.loads, err = sqldb.Loads(ctx, a.DB); err != nil {
		return Import{}, err
	}
	err = a.inTx(ctx, func(tx *sql.Tx) (err error) {
		p.origin, err = w.origin(ctx, a.q.WithTx(tx), 0, map[int64]int64{})
		return err
	})
	if err != nil {
		return Import{}, err
	}
	w.over[0] = p.origin
	if err := w.run(ctx); err != nil {
		return a.halted(ctx, id, fmt.Errorf("import %d: %w", id, err))
	}
	return a.ImportStatus(ctx, model.ID(id))
}

func importRef(id int64) model.Ref { return model.Ref{Type: "import", ID: model.ID(id).String()} }

// release lets the next one go on at once; when it fails, the lease ends by itself.
func (a *Audience) release(ctx context.Context, id int64, token string) {
	if err := a.q.ReleaseImport(ctx, db.ReleaseImportParams{ID: id, Token: token}); err != nil {
		a.Log.WarnContext(ctx, "audience import lease not released", "import", id, "error", err)
	}
}

// beginImport finds or makes the row of the file with its mapping.
func (a *Audience) beginImport(ctx context.Context, u Upload, hash string, p *parser) (db.AudienceImport, error) {
	now := a.nowMillis()
	if u.AsOf < 0 || u.AsOf > now {
		return db.AudienceImport{}, ErrAsOf
	}
	if u.AsOf == 0 {
		u.AsOf = now
	}
	key, text, err := importKey(hash, p.mapping)
	if err != nil {
		return db.AudienceImport{}, err
	}
	found, err := a.q.ImportByHash(ctx, key)
	if !errors.Is(err, sql.ErrNoRows) {
		return found, err
	}
	name := []rune(strings.ToValidUTF8(u.Name, ""))
	err = a.q.InsertImport(ctx, db.InsertImportParams{
		ID: int64(a.IDs.Next()), FileHash: key, Name: string(name[:min(len(name), maxFileName)]), Mapping: text, AsOf: int64(u.AsOf),
		OperatorID: int64(u.Operator), CreatedAt: int64(now), FileLines: sql.NullInt64{Int64: p.s.Lines, Valid: p.s.Lines > 0},
	})
	if err != nil && !sqldb.Duplicate(err) {
		return found, fmt.Errorf("begin an import: %w", err)
	}
	return a.q.ImportByHash(ctx, key)
}

// importKey is what a file with its mapping is known by, and the mapping as it is kept.
func importKey(hash string, mapping Mapping) (key, text string, err error) {
	kept, err := json.Marshal(mapping) // keys in order
	if err != nil {
		return "", "", err
	}
	sum := sha256.Sum256([]byte(hash + string(kept)))
	return hex.EncodeToString(sum[:]), string(kept), nil
}

// ImportStatus reads how far an import is. Errors: ErrNoImport.
func (a *Audience) ImportStatus(ctx context.Context, id model.ID) (Import, error) {
	f, err := a.q.ImportByID(ctx, int64(id))
	if errors.Is(err, sql.ErrNoRows) {
		return Import{}, ErrNoImport
	}
	if err != nil {
		return Import{}, fmt.Errorf("read an import: %w", err)
	}
	return a.stands(f), nil
}

// ImportErrors are the refused lines in their order; cursor is "" or the one that came
// with the page before. Errors: page.ErrCursor.
func (a *Audience) ImportErrors(ctx context.Context, id model.ID, cursor string, limit int) (list []LineError, next string, err error) {
	after, err := page.After(cursor)
	if err != nil {
		return nil, "", err
	}
	size := page.Size(limit)
	found, err := a.q.ImportErrors(ctx, db.ImportErrorsParams{ImportID: int64(id), After: after, Limit: size + 1})
	if err != nil {
		return nil, "", fmt.Errorf("read the errors of an import: %w", err)
	}
	found, next = page.Cut(found, size, func(e db.ImportErrorsRow) string { return page.Cursor(e.Line) })
	for _, e := range found {
		list = append(list, LineError{e.Line, e.Detail})
	}
	return list, next, nil
}
