package points

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"strings"

	"kaimenhong/model"
	"kaimenhong/model/fault"
	"kaimenhong/model/page"
	"kaimenhong/model/sheet"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/points/internal/db"
)

// The faults of a file as a whole.
var (
	ErrFileSize   = sheet.ErrSize.Saying("文件过大：不超过32MB、20万行")
	ErrFileFormat = sheet.ErrFormat.Saying("文件无法识别：请使用CSV或XLSX，首行为表头：流水号、手机号、积分")
	ErrChecksum   = fault.New(fault.Invalid, "points.checksum", "文件校验和不符，请重新传送：checksum应为文件内容的SHA-256（十六进制）")
	ErrNoFile     = fault.New(fault.NotFound, "points.no_file", "没有导入过这个积分文件")
)

// errRow is what a line that cannot be read is reported as.
var errRow = fault.New(fault.Invalid, "points.row", "该行内容不正确")

// The bounds of a file.
const (
	maxFile       = 32 << 20
	maxFileRows   = 200_000
	maxFileErrors = 10_000
)

// File is the report on a carrier file.
type File struct {
	Hash     string // SHA-256 of the bytes, hex
	Name     string
	Operator model.ID // 0: the nightly job
	Done     bool
	Total    int64 // rows
	Accepted int64 // credited
	Repeated int64 // credited before, by this file or another
	Refused  int64 // see FileErrors
	Points   model.Points
	At       model.Millis
	Note     string // of the file that was just handed in: what of its workbook is not read
}

// FileError is a row that was refused.
type FileError struct {
	Line   int64 // as the reader of the file counts, the heading is 1
	Key    string
	Code   string
	Detail string // Chinese
}

// Import credits a carrier's nightly file: CSV (UTF-8 or GB18030) or XLSX, known
// by its content, with a heading that names 流水号 (row_key), 手机号 (phone) and
// 积分 (points). checksum is the SHA-256 of the bytes in hex, as the carrier sends
// it beside the file.
//
// A file that cannot be read to its end, or is too long, is refused as a whole before
// anything of it is credited. The same bytes again are answered with the first report. A run that died is
// repeated with the same bytes: rows that it credited count as repeated, and none
// is credited twice, for each has its key. Rows that cannot be credited are
// reported and keep no other back.
//
// Errors: ErrFileSize, ErrFileFormat, ErrChecksum; those of the database, after
// which the call is repeated.
func (l *Ledger) Import(ctx context.Context, operator model.ID, name, checksum string, r io.Reader) (File, error) {
	spool, hash, err := sheet.Spool(r, maxFile)
	if err != nil {
		return File{}, err
	}
	defer func() { _ = spool.Close() }()
	if !strings.EqualFold(hash, strings.TrimSpace(checksum)) {
		return File{}, ErrChecksum
	}
	if err := readable(spool); err != nil {
		return File{}, err
	}
	rows, err := openRows(spool)
	if err != nil {
		return File{}, err
	}
	defer rows.Close()
	if err := l.beginFile(ctx, operator, cut(strings.ToValidUTF8(name, ""), maxText), hash); err != nil {
		return File{}, err
	}
	first, err := l.File(ctx, hash)
	if first.Note = rows.Note; err != nil || first.Done {
		return first, err
	}
	report, err := l.importRows(ctx, hash, rows)
	if err != nil {
		return File{}, err
	}
	_, err = db.New(sqldb.Alone{DB: l.db}).FinishFile(ctx, db.FinishFileParams{
		Total: report.Total, Accepted: report.Accepted, Repeated: report.Repeated, Refused: report.Refused,
		Points: int64(report.Points), DoneAt: int64(model.At(l.now())), FileHash: hash,
	})
	if err != nil {
		return File{}, fmt.Errorf("finish the file: %w", err)
	}
	l.log.InfoContext(ctx, "points file imported", "hash", hash, "total", report.Total, "accepted", report.Accepted, "refused", report.Refused)
	done, err := l.File(ctx, hash)
	done.Note = rows.Note
	return done, err
}

// beginFile makes the file's row, or finds it, before its rows are credited in
// transactions of their own.
func (l *Ledger) beginFile(ctx context.Context, operator model.ID, name, hash string) error {
	err := l.inTxPlain(ctx, "import", func(tx *sql.Tx) error {
		err := queries(tx).InsertFile(ctx, db.InsertFileParams{FileHash: hash, Name: name, OperatorID: int64(operator), CreatedAt: int64(model.At(l.now()))})
		if err != nil && !sqldb.Duplicate(err) {
			return err
		}
		detail := map[string]any{"name": name}
		if err != nil {
			detail["again"] = true
		}
		return l.recordTx(ctx, tx, operator, "points.import", model.Ref{Type: "points.file", ID: hash}, detail)
	})
	if err != nil {
		return fmt.Errorf("record the file: %w", err)
	}
	return nil
}

// importRows reads and credits the file, MaxAccruals rows at a time.
func (l *Ledger) importRows(ctx context.Context, hash string, rows *rowReader) (File, error) {
	var report File
	for more := true; more; {
		var lines []int64
		var accruals []Accrual
		for len(accruals) < MaxAccruals {
			a, err := rows.next()
			if errors.Is(err, io.EOF) {
				more = false
				break
			}
			report.Total++
			if fault.KindOf(err) == fault.Invalid && errors.Is(err, errRow) {
				if err := l.refuseRow(ctx, hash, rows.Line, a.Key, err, &report); err != nil {
					return report, err
				}
				continue
			}
			if err != nil {
				return report, err
			}
			lines, accruals = append(lines, rows.Line), append(accruals, a)
		}
		done, err := l.Accrue(ctx, accruals)
		if err != nil {
			return report, err
		}
		for i, d := range done {
			if err := l.reportRow(ctx, hash, lines[i], d, &report); err != nil {
				return report, err
			}
		}
	}
	return report, nil
}

func (l *Ledger) reportRow(ctx context.Context, hash string, line int64, d Accrued, report *File) error {
	switch {
	case d.Err != nil:
		return l.refuseRow(ctx, hash, line, d.Key, d.Err, report)
	case d.Repeated:
		report.Repeated++
	default:
		report.Accepted++
		report.Points += d.Granted
	}
	return nil
}

// refuseRow reports the row; of more than 10,000 only their number is kept.
func (l *Ledger) refuseRow(ctx context.Context, hash string, line int64, key string, why error, report *File) error {
	if report.Refused++; report.Refused > maxFileErrors {
		return nil
	}
	if !model.RequestID(key).Valid() {
		key = ""
	}
	f := fault.Of(why)
	err := db.New(sqldb.Alone{DB: l.db}).InsertFileError(ctx, db.InsertFileErrorParams{FileHash: hash, Line: line, RowKey: key, Code: f.Code, Detail: cut(f.Text, maxText)})
	if err != nil && !sqldb.Duplicate(err) { // an earlier run that died reported it
		return fmt.Errorf("report row %d: %w", line, err)
	}
	return nil
}

// File is the report on the file with the hash, also while it is imported.
//
// Errors: ErrNoFile.
func (l *Ledger) File(ctx context.Context, hash string) (File, error) {
	r, err := db.New(l.db).File(ctx, strings.ToLower(hash))
	if errors.Is(err, sql.ErrNoRows) {
		return File{}, ErrNoFile
	}
	if err != nil {
		return File{}, fmt.Errorf("read the report of file %s: %w", hash, err)
	}
	return File{
		Hash: r.FileHash, Name: r.Name, Operator: model.ID(r.OperatorID), Done: r.DoneAt != 0, Total: r.Total, Accepted: r.Accepted,
		Repeated: r.Repeated, Refused: r.Refused, Points: model.Points(r.Points), At: model.Millis(r.CreatedAt),
	}, nil
}

// FileErrors are the refused rows of a file, in order; cursor is "" or the one that
// came with the page before.
//
// Errors: ErrNoFile, page.ErrCursor.
func (l *Ledger) FileErrors(ctx context.Context, hash, cursor string, limit int) (list []FileError, next string, err error) {
	after, err := page.After(cursor)
	if err != nil {
		return nil, "", err
	}
	if _, err := l.File(ctx, hash); err != nil {
		return nil, "", err
	}
	size := page.Size(limit)
	rows, err := db.New(l.db).FileErrors(ctx, db.FileErrorsParams{FileHash: strings.ToLower(hash), AfterLine: after, Limit: size + 1})
	if err != nil {
		return nil, "", fmt.Errorf("read the refused rows of file %s: %w", hash, err)
	}
	rows, next = page.Cut(rows, size, func(r db.FileErrorsRow) string { return page.Cursor(r.Line) })
	for _, r := range rows {
		list = append(list, FileError{r.Line, r.RowKey, r.Code, r.Detail})
	}
	return list, next, nil
}
