package points

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"kaimenhong/model"
	"kaimenhong/service/points/internal/db"
)

// Spend is SpendTx in a transaction of its own.
func (l *Ledger) Spend(ctx context.Context, member model.MemberID, price model.Points, ref model.Ref, title string, request model.RequestID) (model.ID, error) {
	var id model.ID
	err := l.inTx(ctx, kindSpend, func(tx *sql.Tx) error {
		var err error
		id, err = l.SpendTx(ctx, tx, member, price, ref, title, request)
		return err
	})
	return id, err
}

// SpendTx takes the price out of the member's lots, soonest-expiring first, and
// returns the posting. ref names what was bought and is spent once; title is what it is
// called in the member's history, cut at 200 characters. It costs six statements, however
// many lots and entries stand behind the member.
//
// Errors: ErrInsufficient (stored, its text says how much is missing), ErrAmount,
// ErrRef, ErrRefUsed, ErrClosed, ErrTooManyLots, ErrRequest, ErrRequestReused.
func (l *Ledger) SpendTx(ctx context.Context, tx *sql.Tx, member model.MemberID, price model.Points, ref model.Ref, title string, request model.RequestID) (model.ID, error) {
	if !ref.Valid() {
		return 0, ErrRef
	}
	c := claim{int64(member), request, body(kindSpend, price, ref)}
	return l.claimAndTake(ctx, tx, c, taking{member: int64(member), kind: kindSpend, amount: int64(price), to: accountRedeemed, ref: ref, reason: redeemed("积分兑换", title)})
}

// redeemed says in a history what points were for.
func redeemed(what, title string) string {
	if title == "" {
		return what
	}
	return what + "：" + cut(title, maxReason)
}

// likewise says it with the title of the spending whose reason is given.
func likewise(what, reason string) string {
	_, title, _ := strings.Cut(reason, "：")
	return redeemed(what, title)
}

// taking is points that leave a member's lots for another account.
type taking struct {
	member   int64
	kind     string
	amount   int64
	to       string
	source   string
	ref      model.Ref
	reason   string
	operator model.ID
}

func (l *Ledger) claimAndTake(ctx context.Context, tx *sql.Tx, c claim, t taking) (model.ID, error) {
	if t.amount <= 0 || t.amount > int64(MaxAmount) {
		return 0, ErrAmount
	}
	id, now := l.ids.Next(), model.At(l.now())
	first, repeated, err := l.claim(ctx, tx, c, id, now)
	if err != nil || repeated {
		return first.posting, err
	}
	_, missing, err := l.take(ctx, tx, id, t, now)
	if missing > 0 {
		return 0, l.refuse(ctx, tx, c, ErrInsufficient.Saying("积分不足，还差%d积分", missing))
	}
	return id, err
}

// take posts the taking under the id and returns the account that it came from.
// missing > 0 says how many points there are too few; then nothing was changed.
func (l *Ledger) take(ctx context.Context, tx *sql.Tx, id model.ID, t taking, now model.Millis) (owner, missing int64, err error) {
	var held int64
	if t.to == accountHold {
		held = t.amount
	}
	owner, missing, err = l.takeBalance(ctx, tx, t, held, now)
	if err != nil || missing > 0 {
		return owner, missing, err
	}
	pieces, err := pick(ctx, tx, owner, t.amount)
	if err != nil {
		return owner, 0, err
	}
	if err := takePieces(ctx, tx, pieces); err != nil {
		return owner, 0, err
	}
	var lines []line
	for _, p := range pieces {
		lines = append(lines, line{accountMember, owner, p.lot, -p.amount})
		if t.to == accountHold {
			lines = append(lines, line{accountHold, int64(id), p.lot, p.amount})
		}
	}
	if t.to != accountHold {
		lines = append(lines, line{t.to, 0, 0, t.amount})
	}
	return owner, 0, l.post(ctx, tx, posting{
		id: id, member: owner, kind: t.kind, amount: -t.amount, source: t.source, ref: t.ref, reason: t.reason, operator: t.operator, at: now,
	}, lines)
}

// takeBalance takes the amount off the account. In almost every case one
// statement locks, checks and takes; only when something of the member's is due,
// merged, closed or too little is the account locked, settled and asked again.
func (l *Ledger) takeBalance(ctx context.Context, tx *sql.Tx, t taking, held int64, now model.Millis) (owner, missing int64, err error) {
	change := db.TakeBalanceParams{Price: t.amount, Hold: held, MemberID: t.member, Now: int64(now)}
	n, err := queries(tx).TakeBalance(ctx, change)
	if err != nil {
		return t.member, 0, fmt.Errorf("take balance: %w", err)
	}
	if n == 1 {
		return t.member, 0, nil
	}
	row, err := l.lockSettled(ctx, tx, t.member, false, now)
	if errors.Is(err, errNoAccount) {
		return t.member, t.amount, nil
	}
	if err != nil {
		return t.member, 0, err
	}
	if row.Balance < t.amount {
		return row.MemberID, t.amount - row.Balance, nil
	}
	return row.MemberID, 0, move(ctx, queries(tx), db.MoveAccountParams{MemberID: row.MemberID, Balance: -t.amount, Held: held, DueAt: int64(never)})
}

// firstPage is how many lots are read at first: enough for almost every spending.
const firstPage = 8

// pick chooses open lots for the amount by (expires_at, id). The lock is held and
// the balance was enough, so too few lots are our own mistake.
func pick(ctx context.Context, tx *sql.Tx, member, amount int64) ([]piece, error) {
	q := queries(tx)
	var pieces []piece
	after := db.OpenLotsParams{MemberID: some(member), Limit: firstPage}
	for range maxPages {
		rows, err := q.OpenLots(ctx, after)
		if err != nil {
			return nil, fmt.Errorf("find open lots: %w", err)
		}
		for _, r := range rows {
			take := min(amount, r.Remaining)
			pieces = append(pieces, piece{lot: r.ID, amount: take, left: r.Remaining - take, expires: r.ExpiresAt})
			if amount -= take; amount == 0 {
				return pieces, nil
			}
			after.AfterExpiry, after.AfterID = r.ExpiresAt, r.ID
		}
		if len(rows) < int(after.Limit) {
			return nil, fmt.Errorf("the open lots of member %d hold %d points too few for his balance", member, amount)
		}
		after.Limit = batch
	}
	return nil, ErrTooManyLots
}
