package member

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"database/sql"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"

	"kaimenhong/model"
	"kaimenhong/model/fault"
	"kaimenhong/model/seal"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/member/internal/db"
)

// codeDigits is the length of a code; codeSpace how many there are.
const (
	codeDigits = 6
	codeSpace  = 1_000_000
)

// SendCode sends a code that proves possession of the number. The code is recorded
// before the SMS leaves, and a request sends at most one SMS: its repeat answers as
// the first did. A newer code makes the older one void.
// Errors: ErrUnknown, ErrRequest, ErrPhone, ErrAlready, ErrTooSoon, ErrTooMany,
// ErrSMS.
func (m *Members) SendCode(ctx context.Context, id model.MemberID, phone model.Phone, request model.RequestID) error {
	err := m.sendCode(ctx, id, phone, request)
	m.codes.WithLabelValues(outcome(err)).Inc()
	return err
}

// outcome labels a metric: ok, or the code of a fault, which is one of a fixed set.
func outcome(err error) string {
	if err == nil {
		return "ok"
	}
	return fault.Of(err).Code
}

func (m *Members) sendCode(ctx context.Context, id model.MemberID, phone model.Phone, request model.RequestID) error {
	switch {
	case !request.Valid():
		return ErrRequest
	case phone.IsZero():
		return ErrPhone
	}
	code, row := newCode(), m.IDs.Next()
	var was string
	err := sqldb.InTx(ctx, m.DB, func(tx *sql.Tx) error {
		var err error
		was, err = m.recordCode(ctx, m.queries(tx), row, id, phone, code, request)
		return err
	})
	switch {
	case err != nil:
		return fmt.Errorf("record code: %w", err)
	case was == "failed":
		return ErrSMS
	case was != "":
		return nil
	}
	send, cancel := context.WithTimeout(ctx, m.opts.OutsideWait)
	defer cancel()
	text := fmt.Sprintf(m.opts.CodeText, code, int(m.opts.CodeLifetime/time.Minute))
	if err := m.SMS.SendSMS(send, phone, text, request); err != nil {
		// The SMS may arrive all the same, so the code stays good; only the answer to a
		// repeat is noted, and that even when the caller has gone.
		note, cancel := context.WithTimeout(context.WithoutCancel(ctx), m.opts.OutsideWait)
		defer cancel()
		if err := m.q.FailCode(note, int64(row)); err != nil {
			m.Log.WarnContext(ctx, "member code's failure not noted", "error", err)
		}
		return ErrSMS.With(scrub(err, phone))
	}
	return nil
}

// scrub keeps the number out of an error that somebody else wrote.
func scrub(err error, phone model.Phone) error {
	return errors.New(strings.ReplaceAll(err.Error(), phone.Digits(), phone.Masked()))
}

// newCode draws six digits, each code as likely as any other.
func newCode() string {
	n, err := rand.Int(rand.Reader, big.NewInt(codeSpace))
	if err != nil {
		panic(err) // crypto/rand never fails since Go 1.24: it ends the program itself
	}
	return fmt.Sprintf("%0*d", codeDigits, n)
}

// recordCode writes the code's row. was is the state of the row that an earlier try
// of the request left, or "".
func (m *Members) recordCode(ctx context.Context, q *db.Queries, row model.ID, id model.MemberID, phone model.Phone, code string, request model.RequestID) (was string, err error) {
	if id, err = lock(ctx, q, id); err != nil {
		return "", err
	}
	earlier, err := q.CodeOf(ctx, db.CodeOfParams{MemberID: int64(id), RequestID: string(request)})
	if err == nil {
		return earlier.State, nil
	}
	if !errors.Is(err, sql.ErrNoRows) {
		return "", err
	}
	index := m.phoneIndex(phone)
	bound, err := q.PhoneOf(ctx, int64(id))
	if err == nil && bound.PhoneIndex == index {
		return "", ErrAlready
	}
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return "", err
	}
	if err := m.countCode(ctx, q, "p:"+index, m.opts.PhonePerDay); err != nil {
		return "", err
	}
	if err := m.countCode(ctx, q, "m:"+id.String(), m.opts.MemberPerDay); err != nil {
		return "", err
	}
	at := m.nowMillis()
	return "", q.AddCode(ctx, db.AddCodeParams{
		ID: int64(row), MemberID: int64(id), RequestID: string(request),
		PhoneSealed: m.Sealer.SealText([]byte(phone.Digits()), codePlace(int64(row))),
		CodeHash:    m.codeHash(int64(row), phone, code),
		ExpiresAt:   int64(at.Add(m.opts.CodeLifetime)), CreatedAt: int64(at),
	})
}

// countCode takes one of the codes that a number or a member may have: a pause
// between two, a limit a day. The limits are guards of the updates, so that no race
// gets past them.
func (m *Members) countCode(ctx context.Context, q *db.Queries, scope string, most int) error {
	now, day := m.Now(), int32(model.DayOf(m.Now()))
	at, before := int64(model.At(now)), int64(model.At(now.Add(-m.opts.CodePause)))
	for range raceTries {
		n, err := q.CountCode(ctx, db.CountCodeParams{NowAt: at, Scope: scope, Day: day, Most: int32(most), BeforeAt: before})
		if err != nil || n == 1 {
			return err
		}
		n, err = q.StartCodeDay(ctx, db.StartCodeDayParams{Day: day, NowAt: at, Scope: scope, BeforeDay: day, BeforeAt: before})
		if err != nil || n == 1 {
			return err
		}
		row, err := q.CodeQuota(ctx, scope)
		switch {
		case errors.Is(err, sql.ErrNoRows):
			err := q.AddCodeQuota(ctx, db.AddCodeQuotaParams{Scope: scope, Day: day, LastAt: at})
			if !sqldb.Duplicate(err) {
				return err
			}
		case err != nil:
			return err
		case row.LastAt > before:
			seconds := (row.LastAt - before + 999) / 1000
			return ErrTooSoon.Saying("验证码一分钟只能发一次，请%d秒后再试", seconds)
		case row.Day >= day && row.Sent >= int32(most):
			return ErrTooMany
		}
	}
	return ErrBusy
}

// codePlace binds a sealed number to the row of its code.
func codePlace(row int64) []byte { return seal.Bind(codeColumn, row) }

// codeHash is what is kept of a code: useless without the key, and for another row
// or number.
func (m *Members) codeHash(row int64, phone model.Phone, code string) string {
	return m.Sealer.IndexText(fmt.Sprintf("%d:%s:%s", row, phone.Digits(), code), "member.code")
}

// Confirm binds the number that the newest code was sent to, if this is that code.
// The try is counted, durably, before anything is compared. A repeat of the request
// that bound gets its answer again.
// Errors: ErrUnknown, ErrRequest, ErrNoCode, ErrCodeExpired, ErrCodeWrong,
// ErrCodeSpent, ErrNotCustomer.
func (m *Members) Confirm(ctx context.Context, id model.MemberID, code string, request model.RequestID) (model.Phone, error) {
	if !request.Valid() {
		return model.Phone{}, ErrRequest
	}
	phone, err := m.confirm(ctx, id, code, request)
	m.guesses.WithLabelValues(outcome(err)).Inc()
	return phone, err
}

func (m *Members) confirm(ctx context.Context, id model.MemberID, code string, request model.RequestID) (model.Phone, error) {
	id, err := m.Resolve(ctx, id)
	if err != nil {
		return model.Phone{}, err
	}
	row, err := m.q.NewestCode(ctx, int64(id))
	if errors.Is(err, sql.ErrNoRows) {
		return model.Phone{}, ErrNoCode
	}
	if err != nil {
		return model.Phone{}, fmt.Errorf("read code: %w", err)
	}
	digits, err := m.Sealer.OpenText(row.PhoneSealed, codePlace(row.ID))
	if err != nil {
		return model.Phone{}, fmt.Errorf("open code's number: %w", err)
	}
	phone, err := model.ParsePhone(string(digits))
	if err != nil {
		return model.Phone{}, err
	}
	if row.State == "used" && row.UsedBy == string(request) {
		return phone, nil
	}
	if err := m.compare(ctx, row, phone, code); err != nil {
		return model.Phone{}, err
	}
	holder, err := m.holder(ctx, phone)
	if err != nil {
		return model.Phone{}, err
	}
	err = m.change(ctx, func(tx *sql.Tx, q *db.Queries, c *changed) error {
		id, err := lock(ctx, q, id)
		if err != nil {
			return err
		}
		n, err := q.UseCode(ctx, db.UseCodeParams{UsedBy: string(request), ID: row.ID})
		if err != nil {
			return err
		}
		if n == 0 {
			return usedBy(ctx, q, id, request)
		}
		return m.bindTx(ctx, tx, c, proof{id, phone, holder, ByCode, request})
	})
	if err != nil {
		return model.Phone{}, fmt.Errorf("bind by code: %w", err)
	}
	return phone, nil
}

// usedBy answers a request that found its code used: nil when it was the same
// request that used it.
func usedBy(ctx context.Context, q *db.Queries, id model.MemberID, request model.RequestID) error {
	row, err := q.NewestCode(ctx, int64(id))
	if err == nil && row.State == "used" && row.UsedBy == string(request) {
		return nil
	}
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	return ErrNoCode
}

// compare counts a try and then compares, in a time that does not depend on the
// digits.
func (m *Members) compare(ctx context.Context, row db.NewestCodeRow, phone model.Phone, code string) error {
	now := int64(m.nowMillis())
	n, err := m.q.CountTry(ctx, db.CountTryParams{ID: row.ID, Most: maxTries, NowAt: now})
	if err != nil {
		return fmt.Errorf("count try: %w", err)
	}
	switch {
	case n == 1:
	case row.State == "used":
		return ErrNoCode
	case row.ExpiresAt <= now:
		return ErrCodeExpired
	default:
		return ErrCodeSpent
	}
	m.compared()
	if subtle.ConstantTimeCompare([]byte(m.codeHash(row.ID, phone, code)), []byte(row.CodeHash)) == 1 {
		return nil
	}
	if left := maxTries - int(row.Tries) - 1; left > 0 {
		return ErrCodeWrong.Saying("验证码不对，还可以试%d次", left)
	}
	return ErrCodeWrong.Saying("验证码不对，请重新获取")
}
