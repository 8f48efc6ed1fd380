package audience

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"strings"

	"kaimenhong/model"
	"kaimenhong/model/sqldb"
)

// insertBatch bounds one INSERT; with 32 columns it stays below SQLite's 32,766
// parameters.
const insertBatch = 500

// insertRows inserts whole rows, columns in the order of the table.
func insertRows(ctx context.Context, tx *sql.Tx, table string, columns int, args []any) error {
	for part := range slices.Chunk(args, insertBatch*columns) {
		one := "(" + strings.TrimSuffix(strings.Repeat("?,", columns), ",") + ")"
		values := strings.TrimSuffix(strings.Repeat(one+",", len(part)/columns), ",")
		if _, err := tx.ExecContext(ctx, "INSERT INTO "+table+" VALUES "+values, part...); err != nil {
			return fmt.Errorf("insert into %s: %w", table, err)
		}
	}
	return nil
}

// portraitColumns is how many columns audience_portrait has.
const portraitColumns = 32

func insertPortraits(ctx context.Context, tx *sql.Tx, rows []row) error {
	args := make([]any, 0, portraitColumns*len(rows))
	for i := range rows {
		r := &rows[i]
		args = append(args, r.MemberID, r.Bucket, r.Sample, r.JoinedAt, r.Follows, r.FollowedAt, r.BoundAt, r.Stage, r.StagedAt,
			r.Gender, r.Birth, r.SinceDay, r.Prepaid, r.Tier, r.Arpu, r.Arpu1, r.Arpu2, r.Arpu3, r.ArpuCurve,
			r.Data1, r.Data2, r.Data3, r.DataCurve, r.FestivalTaps, r.FestivalHelps, r.FestivalSpent, r.Interests,
			r.Plan, r.Province, r.City, r.Device, r.OriginID)
	}
	return insertRows(ctx, tx, "audience_portrait", portraitColumns, args)
}

// blank is a person of whom nothing is known.
func blank(id int64) row {
	member := model.MemberID(id)
	return row{
		MemberID: id, Bucket: int32(Bucket(member)), Sample: int32(sampleOf(member)), Stage: stagePasser,
		Arpu: noNumber, Arpu1: noNumber, Arpu2: noNumber, Arpu3: noNumber, Data1: noNumber, Data2: noNumber, Data3: noNumber,
		FestivalTaps: noNumber, FestivalHelps: noNumber, FestivalSpent: noNumber,
	}
}

// duplicates is how often a change is made again because somebody else was first
// with a row.
const duplicates = 5

// inTx is sqldb.InTx for a change that reads what stands and inserts the rest:
// when another one inserted meanwhile, it looks again.
func (a *Audience) inTx(ctx context.Context, fn func(tx *sql.Tx) error) error {
	var err error
	for range duplicates {
		if err = sqldb.InTx(ctx, a.DB, fn); !sqldb.Duplicate(err) {
			return err
		}
	}
	return ErrBusy.With(err)
}

// sorted are the keys in order.
func sorted[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
