package points

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"unicode/utf8"

	"kaimenhong/model"
	"kaimenhong/model/fault"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/points/internal/db"
)

// claim is a request id with the body that it stands for. scope is the member,
// hold or posting whose ids are told apart.
type claim struct {
	scope   int64
	request model.RequestID
	body    string
}

// body hashes what a request asks for, without the one who asks: a request that
// went over to another member by a merge is still the same.
func body(operation string, fields ...any) string {
	h := sha256.New()
	_, _ = fmt.Fprintf(h, "%q", operation) // a hash never fails
	for _, f := range fields {
		_, _ = fmt.Fprintf(h, "|%q", fmt.Sprint(f))
	}
	return hex.EncodeToString(h.Sum(nil))
}

// answer is what a request got the first time.
type answer struct {
	posting model.ID
	amount  model.Points // the posting's
}

// claim books the request id for the posting. When the id was used before it
// answers first = true and the first answer, or ErrRequestReused when that was
// for another body. Another transaction that holds the id is waited for.
func (l *Ledger) claim(ctx context.Context, tx *sql.Tx, c claim, posting model.ID, now model.Millis) (answer, bool, error) {
	if !c.request.Valid() {
		return answer{}, false, ErrRequest
	}
	q := queries(tx)
	err := q.InsertRequest(ctx, db.InsertRequestParams{
		Scope: c.scope, RequestID: string(c.request), BodyHash: c.body, PostingID: int64(posting), CreatedAt: int64(now),
	})
	if err == nil {
		return answer{}, false, nil
	}
	if !sqldb.Duplicate(err) {
		return answer{}, false, fmt.Errorf("claim request %s: %w", c.request, err)
	}
	row, err := q.Request(ctx, db.RequestParams{Scope: c.scope, RequestID: string(c.request)})
	if err != nil {
		return answer{}, false, fmt.Errorf("read request %s: %w", c.request, err)
	}
	if row.BodyHash != c.body {
		return answer{}, false, ErrRequestReused
	}
	if row.Refusal != "" {
		refusal, ok := refusals[row.Refusal]
		if !ok {
			return answer{}, false, fmt.Errorf("request %s: stored refusal %q is not known", c.request, row.Refusal)
		}
		return answer{}, true, refusal.Saying("%s", row.Detail)
	}
	return answer{model.ID(row.PostingID), model.Points(row.Amount)}, true, nil
}

// refuse stores the refusal as the request's answer and returns it.
func (l *Ledger) refuse(ctx context.Context, tx *sql.Tx, c claim, refusal *fault.Error) error {
	err := queries(tx).RefuseRequest(ctx, db.RefuseRequestParams{
		Refusal: refusal.Code, Detail: cut(refusal.Text, maxText), Scope: c.scope, RequestID: string(c.request),
	})
	if err != nil {
		return fmt.Errorf("store the refusal of request %s: %w", c.request, err)
	}
	return refusal
}

// inTx runs fn in a transaction of its own; a stored refusal is committed and
// then returned.
func (l *Ledger) inTx(ctx context.Context, operation string, fn func(tx *sql.Tx) error) error {
	var refused error
	err := sqldb.InTx(ctx, l.db, func(tx *sql.Tx) error {
		refused = nil
		err := fn(tx)
		var f *fault.Error
		if errors.As(err, &f) && refusals[f.Code] != nil {
			refused = err
			return nil
		}
		return err
	})
	if err == nil {
		err = refused
	}
	l.count(operation, err)
	return err
}

// maxText is the length, in characters, of a reason or detail.
const maxText = 255

// cut shortens a text to n characters, for SQLite would take it as it is.
func cut(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:n])
}
