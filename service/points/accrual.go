package points

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"hash/crc32"

	"golang.org/x/sync/errgroup"

	"kaimenhong/model"
	"kaimenhong/model/fault"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/points/internal/db"
)

// The faults of accruals.
var (
	ErrRowKey    = fault.New(fault.Invalid, "points.row_key", "流水号应为1到64个可见字符")
	ErrRowReused = fault.New(fault.Conflict, "points.row_reused", "该流水号已用于另一笔积分")
	ErrUnbound   = fault.New(fault.NotFound, "points.unbound", "该号码没有绑定会员")
	ErrBatch     = fault.New(fault.Invalid, "points.batch", "每次最多提交1000行")
)

// refAccrual is the type of the ref of an accrual's posting.
const refAccrual = "points.accrual"

// MaxAccruals is the most rows that one call of Accrue takes.
const MaxAccruals = 1000

// accrueWorkers is how many rows are worked off at once.
const accrueWorkers = 4

// Accrual is points that the carrier gives a number. Key is the carrier's own
// number of the record (流水号): whichever call or file brings it again, it
// accrues once, and for another number or amount it is refused.
type Accrual struct {
	Key    string // 1 to 64 printable ASCII bytes
	Phone  model.Phone
	Points model.Points
}

// Accrued is what became of a row. Err is nil for a row that was granted, now or
// before, and its fault otherwise.
type Accrued struct {
	Key      string
	Granted  model.Points // less than asked for where a cap leaves less
	Repeated bool         // granted before
	Err      error
}

// Accrue credits up to 1,000 rows, each in a transaction of its own, and answers
// in their order. A refused row does not keep the others back; only when the
// database fails does the whole call, which is then repeated as it is.
//
// Errors: ErrBatch. Of a row: ErrRowKey, ErrRowReused, ErrUnbound, ErrAmount,
// ErrCapped, ErrClosed.
func (l *Ledger) Accrue(ctx context.Context, rows []Accrual) ([]Accrued, error) {
	if len(rows) > MaxAccruals {
		return nil, ErrBatch
	}
	done := make([]Accrued, len(rows))
	group, ctx := errgroup.WithContext(ctx)
	for worker := range accrueWorkers {
		group.Go(func() error {
			for i, row := range rows {
				if workerOf(row.Key) != worker {
					continue
				}
				var err error
				if done[i], err = l.accrueRow(ctx, row); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, fmt.Errorf("accrue: %w", err)
	}
	return done, nil
}

// workerOf keeps the rows of one key in their order: the first one stands.
func workerOf(key string) int { return int(crc32.ChecksumIEEE([]byte(key)) % accrueWorkers) }

// accrueRow puts a refusal into the row and returns every other error.
func (l *Ledger) accrueRow(ctx context.Context, row Accrual) (Accrued, error) {
	done := Accrued{Key: row.Key}
	err := l.accrue(ctx, row, &done)
	l.count("accrue", err)
	switch fault.KindOf(err) {
	case fault.Internal, fault.Unavailable:
		return done, err
	}
	done.Err = err
	return done, nil
}

func (l *Ledger) accrue(ctx context.Context, row Accrual, done *Accrued) error {
	if !model.RequestID(row.Key).Valid() {
		return ErrRowKey
	}
	if row.Points <= 0 || row.Points > MaxAmount {
		return ErrAmount
	}
	member, err := l.phones.ByPhone(ctx, row.Phone)
	if fault.KindOf(err) == fault.NotFound {
		return ErrUnbound
	}
	if err != nil {
		return fmt.Errorf("find who bound the number: %w", err)
	}
	hash := body("accrue", row.Key, row.Points)
	return sqldb.InTx(ctx, l.db, func(tx *sql.Tx) error {
		*done = Accrued{Key: row.Key}
		q := queries(tx)
		err := q.InsertAccrual(ctx, db.InsertAccrualParams{
			RowKey: row.Key, BodyHash: hash, MemberID: int64(member.ID), Points: int64(row.Points), CreatedAt: int64(model.At(l.now())),
		})
		if sqldb.Duplicate(err) {
			first, err := q.Accrual(ctx, row.Key)
			if err != nil {
				return fmt.Errorf("read accrual: %w", err)
			}
			same, err := sameOwner(ctx, q, first.MemberID, int64(member.ID))
			if err != nil {
				return err
			}
			if first.BodyHash != hash || !same {
				return ErrRowReused
			}
			done.Granted, done.Repeated = model.Points(first.Points), true
			return nil
		}
		if err != nil {
			return fmt.Errorf("insert accrual: %w", err)
		}
		done.Granted, err = l.EarnTx(ctx, tx, member.ID, SourceCarrier, row.Points, model.Ref{Type: refAccrual, ID: row.Key}, accrualRequest(row.Key))
		if err != nil || done.Granted == row.Points {
			return err
		}
		if err := q.CutAccrual(ctx, db.CutAccrualParams{Points: int64(done.Granted), RowKey: row.Key}); err != nil {
			return fmt.Errorf("cut accrual: %w", err)
		}
		return nil
	})
}

// sameOwner tells whether two members are one by now. A number is in no row: who it was
// credited to says whose it was.
func sameOwner(ctx context.Context, q *db.Queries, one, other int64) (bool, error) {
	for _, id := range []*int64{&one, &other} {
		row, err := q.Account(ctx, *id)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return false, fmt.Errorf("read account: %w", err)
		}
		if row.MergedInto != 0 {
			*id = row.MergedInto
		}
	}
	return one == other, nil
}

// accrualRequest is the request id of a row: hashed, for a key may have all the
// length that there is and must not meet another caller's id.
func accrualRequest(key string) model.RequestID { return model.RequestID(body("row", key)) }
