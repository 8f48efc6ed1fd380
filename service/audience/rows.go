package audience

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"kaimenhong/model"
	"kaimenhong/model/sqldb"
)

// insertBatch bounds one INSERT; with 32 columns it stays below SQLite's 32,766
// parameters.
const insertBatch = 1000

// insertRows inserts whole rows, columns in the order of the table. Full batches
// share one prepared statement, so that the server reads its text once.
func insertRows(ctx context.Context, tx *sql.Tx, table string, columns int, args []any) error {
	full := len(args) / (insertBatch * columns) * insertBatch * columns
	if full > 0 {
		if err := insertFull(ctx, tx, table, columns, args[:full]); err != nil {
			return fmt.Errorf("insert into %s: %w", table, err)
		}
	}
	if full == len(args) {
		return nil
	}
	if _, err := tx.ExecContext(ctx, insertText(table, columns, (len(args)-full)/columns), args[full:]...); err != nil {
		return fmt.Errorf("insert into %s: %w", table, err)
	}
	return nil
}

func insertFull(ctx context.Context, tx *sql.Tx, table string, columns int, args []any) error {
	statement, err := tx.PrepareContext(ctx, insertText(table, columns, insertBatch))
	if err != nil {
		return err
	}
	defer func() { _ = statement.Close() }()
	for part := range slices.Chunk(args, insertBatch*columns) {
		if _, err := statement.ExecContext(ctx, part...); err != nil {
			return err
		}
	}
	return nil
}

func insertText(table string, columns, rows int) string {
	one := "(" + strings.TrimSuffix(strings.Repeat("?,", columns), ",") + ")"
	return "INSERT INTO " + table + " VALUES " + strings.TrimSuffix(strings.Repeat(one+",", rows), ",")
}

// portraitColumns is how many columns audience_portrait has.
const portraitColumns = 32

func insertPortraits(ctx context.Context, tx *sql.Tx, rows []row) error {
	args := make(values, 0, portraitColumns*len(rows))
	for i := range rows {
		writePortrait(&args, &rows[i])
	}
	return insertRows(ctx, tx, "audience_portrait", portraitColumns, args)
}

// writes takes the columns of a row one after the other: arguments of an INSERT or
// the text of a LOAD DATA.
type writes interface {
	Int(n int64)
	Bool(b bool)
	Text(s string)
}

// values are the arguments of an INSERT. Numbers are int64 as the drivers have it:
// other integers are converted by reflection.
type values []any

func (v *values) Int(n int64)   { *v = append(*v, n) }
func (v *values) Bool(b bool)   { *v = append(*v, b) }
func (v *values) Text(s string) { *v = append(*v, s) }

// writePortrait writes the columns of audience_portrait in its order.
func writePortrait(w writes, r *row) {
	for _, n := range [...]int64{r.MemberID, int64(r.Bucket), int64(r.Sample), r.JoinedAt} {
		w.Int(n)
	}
	w.Bool(r.Follows)
	for _, n := range [...]int64{
		r.FollowedAt, r.BoundAt, int64(r.Stage), r.StagedAt, int64(r.Gender), int64(r.Birth), int64(r.SinceDay), int64(r.Prepaid), int64(r.Tier),
		r.Arpu, r.Arpu1, r.Arpu2, r.Arpu3, int64(r.ArpuCurve), int64(r.Data1), int64(r.Data2), int64(r.Data3), int64(r.DataCurve),
		int64(r.FestivalTaps), int64(r.FestivalHelps), r.FestivalSpent, r.Interests,
	} {
		w.Int(n)
	}
	for _, s := range [...]string{r.Plan, r.Province, r.City, r.Device} {
		w.Text(s)
	}
	w.Int(r.OriginID)
}

// blank is a person of whom nothing is known.
func blank(id int64) row {
	member := model.MemberID(id)
	return row{
		MemberID: id, Bucket: int32(model.BucketOf(member)), Sample: int32(sampleOf(member)), Stage: stagePasser,
		Arpu: noNumber, Arpu1: noNumber, Arpu2: noNumber, Arpu3: noNumber, Data1: noNumber, Data2: noNumber, Data3: noNumber,
		FestivalTaps: noNumber, FestivalHelps: noNumber, FestivalSpent: noNumber,
	}
}

// duplicates is how often a change is made again because somebody else was first
// with a row.
const duplicates = 5

// inTx is sqldb.InTx for a change that reads what stands and inserts the rest: when
// another one inserted meanwhile, or somebody moved, it looks again.
func (a *Audience) inTx(ctx context.Context, fn func(tx *sql.Tx) error) error {
	var err error
	for range duplicates {
		if err = sqldb.InTx(ctx, a.DB, fn); !sqldb.Duplicate(err) && !errors.Is(err, errMoved) {
			return err
		}
	}
	return ErrBusy.With(err)
}

// sorted are the keys in order.
func sorted[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
