package operator

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"kaimenhong/model"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/operator/internal/db"
)

// How many numbers one operator may see in clear: enough for a day of calls, too few
// to carry a list away.
const (
	RevealsAnHour = 20
	RevealsADay   = 100
)

// The bounds of a reason, in characters.
const (
	minReason = 4
	maxReason = 100
)

// Reveal counts and audits that an operator looks at somebody's number, and why. It
// is called before the number is shown: what was not written down is not seen.
// Errors: ErrReason, ErrReveals.
func (o *Operators) Reveal(ctx context.Context, by model.ID, of model.MemberID, reason string) error {
	reason = strings.TrimSpace(reason)
	if !isReason(reason) {
		return ErrReason
	}
	return o.sees(ctx, by, model.AuditEntry{
		Operator: by, Action: "member.reveal", Target: model.Ref{Type: "member", ID: of.String()}, Detail: map[string]string{"reason": reason},
	})
}

// RevealParcel is Reveal of where one of his parcels goes; it counts as one. Errors:
// ErrReason, ErrReveals.
func (o *Operators) RevealParcel(ctx context.Context, by model.ID, of model.MemberID, redemption model.ID, reason string) error {
	reason = strings.TrimSpace(reason)
	if !isReason(reason) {
		return ErrReason
	}
	return o.sees(ctx, by, model.AuditEntry{
		Operator: by, Action: "redemption.reveal", Target: model.Ref{Type: "redemption", ID: redemption.String()},
		Detail: map[string]string{"member": of.String(), "reason": reason},
	})
}

func isReason(s string) bool {
	n := len([]rune(s))
	return n >= minReason && n <= maxReason && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' })
}

// Sought counts and audits that an operator looked for a person by number. Each try
// counts: whoever may try often finds out who is a customer. Errors: ErrReveals.
func (o *Operators) Sought(ctx context.Context, by model.ID, found model.MemberID) error {
	who := model.Ref{Type: "member", ID: "0"}
	if found != 0 {
		who.ID = found.String()
	}
	return o.sees(ctx, by, model.AuditEntry{Operator: by, Action: "member.search", Target: who})
}

func (o *Operators) sees(ctx context.Context, by model.ID, e model.AuditEntry) error {
	at := o.now().In(model.Shanghai)
	hour, today := fmt.Sprintf("h%d", at.Unix()/int64(time.Hour/time.Second)), fmt.Sprintf("d%d", model.DayOf(at))
	err := sqldb.InTx(ctx, o.db, func(tx *sql.Tx) error {
		q := o.q.WithTx(tx)
		if err := q.ForgetReveals(ctx, db.ForgetRevealsParams{OperatorID: int64(by), Hour: hour, Today: today}); err != nil {
			return err
		}
		for _, one := range []struct {
			slot string
			most int32
		}{{hour, RevealsAnHour}, {today, RevealsADay}} {
			if err := count(ctx, q, int64(by), one.slot, one.most); err != nil {
				return err
			}
		}
		return o.RecordTx(ctx, tx, e)
	})
	if err != nil {
		return fmt.Errorf("%s: %w", e.Action, err)
	}
	return nil
}

func count(ctx context.Context, q *db.Queries, by int64, slot string, most int32) error {
	more := db.RevealParams{OperatorID: by, Slot: slot, Most: most}
	n, err := q.Reveal(ctx, more)
	if err != nil || n > 0 {
		return err
	}
	err = q.FirstReveal(ctx, db.FirstRevealParams{OperatorID: by, Slot: slot})
	if sqldb.Duplicate(err) { // there is one: it is full, or another was first a moment ago
		if n, err = q.Reveal(ctx, more); err == nil && n == 0 {
			err = ErrReveals
		}
	}
	return err
}
