package points

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"kaimenhong/model"
	"kaimenhong/model/fault"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/points/internal/db"
)

// ErrPhoneKey is returned for a blind index that cannot be stored.
var ErrPhoneKey = fault.New(fault.Invalid, "points.phone_key", "号码索引不正确")

// SignedIn is what a sign-in (签到) gave.
type SignedIn struct {
	Points model.Points
	Streak int  // days in a row, today included
	Again  bool // today's was given before; Points says how many it was
}

// SignIn credits the member for coming today, once a day in China: on the first
// day in a row Options.SignIn[0], on the second [1], and after the last from the
// beginning again; whoever misses a day begins again too. The day is the request
// id, so a repeat gets the first answer.
//
// Errors: ErrClosed.
func (l *Ledger) SignIn(ctx context.Context, member model.MemberID) (SignedIn, error) {
	var s SignedIn
	err := l.inTx(ctx, "sign_in", func(tx *sql.Tx) error {
		var err error
		s, err = l.signIn(ctx, tx, member)
		return err
	})
	return s, err
}

func (l *Ledger) signIn(ctx context.Context, tx *sql.Tx, member model.MemberID) (SignedIn, error) {
	now := model.At(l.now())
	row, err := l.lockSettled(ctx, tx, int64(member), true, now)
	if err != nil {
		return SignedIn{}, err
	}
	q, today := queries(tx), model.DayOf(now.Time())
	done, err := q.SignInOf(ctx, db.SignInOfParams{MemberID: row.MemberID, Day: int32(today)})
	if err == nil {
		return SignedIn{Points: model.Points(done.Points), Streak: int(done.Streak), Again: true}, nil
	}
	if !errors.Is(err, sql.ErrNoRows) {
		return SignedIn{}, fmt.Errorf("read today's sign-in: %w", err)
	}
	last, err := q.SignInOf(ctx, db.SignInOfParams{MemberID: row.MemberID, Day: int32(today - 1)})
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return SignedIn{}, fmt.Errorf("read yesterday's sign-in: %w", err)
	}
	s := SignedIn{Streak: int(last.Streak) + 1}
	s.Points = l.opts.SignIn[(s.Streak-1)%len(l.opts.SignIn)]
	err = q.InsertSignIn(ctx, db.InsertSignInParams{MemberID: row.MemberID, Day: int32(today), Streak: int32(s.Streak), Points: int64(s.Points)})
	if err != nil {
		return SignedIn{}, fmt.Errorf("insert sign-in: %w", err)
	}
	p := posting{
		id: l.ids.Next(), member: row.MemberID, kind: kindEarn, amount: int64(s.Points), source: SourceSignIn, at: now,
		ref:    model.Ref{Type: "points.sign_in", ID: fmt.Sprintf("%d/%s", row.MemberID, today)},
		reason: fmt.Sprintf("连续签到第%d天", s.Streak),
	}
	if err := l.issue(ctx, tx, p, accountIssued, l.opts.Rules[SourceSignIn]); err != nil {
		return SignedIn{}, err
	}
	return s, nil
}

// FirstBind is FirstBindTx in a transaction of its own.
func (l *Ledger) FirstBind(ctx context.Context, member model.MemberID, phoneKey string) (model.Points, error) {
	var granted model.Points
	err := l.inTx(ctx, "first_bind", func(tx *sql.Tx) error {
		var err error
		granted, err = l.FirstBindTx(ctx, tx, member, phoneKey)
		return err
	})
	return granted, err
}

// FirstBindTx credits the member for binding a number for the first time: once
// for a number, whoever binds it, and once for a member. phoneKey is the number's
// blind index, 1 to 64 bytes. It returns what was granted: 0 when either earned
// before, so a repeat is harmless.
//
// Errors: ErrPhoneKey, ErrClosed.
func (l *Ledger) FirstBindTx(ctx context.Context, tx *sql.Tx, member model.MemberID, phoneKey string) (model.Points, error) {
	if phoneKey == "" || len(phoneKey) > 64 {
		return 0, ErrPhoneKey
	}
	now := model.At(l.now())
	row, err := l.lockSettled(ctx, tx, int64(member), true, now)
	if err != nil {
		return 0, err
	}
	err = queries(tx).InsertFirstBind(ctx, db.InsertFirstBindParams{PhoneKey: phoneKey, MemberID: row.MemberID, CreatedAt: int64(now)})
	if sqldb.Duplicate(err) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("insert first bind: %w", err)
	}
	rule := l.opts.Rules[SourceFirstBind]
	p := posting{
		id: l.ids.Next(), member: row.MemberID, kind: kindEarn, amount: int64(l.opts.FirstBind), source: SourceFirstBind,
		ref: model.Ref{Type: "points.first_bind", ID: phoneKey}, reason: rule.Title, at: now,
	}
	if err := l.issue(ctx, tx, p, accountIssued, rule); err != nil {
		return 0, err
	}
	return l.opts.FirstBind, nil
}
