package operator

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"kaimenhong/model"
	"kaimenhong/model/fault"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/operator/internal/db"
)

// From the maxFailures-th failure in a row each locks the account, first for
// lockFirst, then twice as long, up to lockMost.
const (
	maxFailures = 5
	lockFirst   = time.Minute
	lockMost    = 15 * time.Minute
)

// maxPassword bounds, in bytes, what is hashed for an attempt.
const maxPassword = 128

// Session is what signing in gives. Token goes to the browser and is kept nowhere.
type Session struct {
	Token     string
	Operator  Operator
	ExpiresAt model.Millis
}

// SignIn checks username, password and, where it is active, the TOTP code. It says
// the same, and takes as long, for an unknown name and for a wrong password.
// Errors: ErrSignIn, ErrLocked, ErrBusy.
func (o *Operators) SignIn(ctx context.Context, username, password, code string) (Session, error) {
	s, err := o.signIn(ctx, username, password, code)
	outcome := "ok"
	if err != nil {
		outcome = fault.KindOf(err).String()
	}
	o.signIns.WithLabelValues(outcome).Inc()
	return s, err
}

func (o *Operators) signIn(ctx context.Context, username, password, code string) (Session, error) {
	if len(password) > maxPassword || len(username) > 32 {
		return Session{}, ErrSignIn
	}
	row, err := o.q.ByUsername(ctx, username)
	if errors.Is(err, sql.ErrNoRows) || err == nil && row.DisabledAt != 0 {
		if _, err := o.verify(ctx, password, o.decoy); err != nil {
			return Session{}, err
		}
		return Session{}, ErrSignIn
	}
	if err != nil {
		return Session{}, fmt.Errorf("read operator: %w", err)
	}
	if err := o.countAttempt(ctx, row); err != nil {
		return Session{}, err
	}
	ok, err := o.verify(ctx, password, row.PasswordHash)
	if err != nil {
		return Session{}, err
	}
	if !ok {
		return Session{}, ErrSignIn
	}
	if row.TotpActive {
		if err := o.spendCode(ctx, model.ID(row.ID), row.TotpSealed, code); err != nil {
			if errors.Is(err, ErrTOTP) {
				err = ErrSignIn
			}
			return Session{}, err
		}
	}
	who, err := o.working(ctx, row.ID, row.Username, row.Name, row.Roles, standing{row.TotpActive, row.Renew.Bool})
	if err != nil {
		return Session{}, err
	}
	return o.open(ctx, who, row.PasswordHash)
}

// countAttempt counts before anything is compared; of attempts at the same time one
// goes on.
func (o *Operators) countAttempt(ctx context.Context, row db.ByUsernameRow) error {
	now := o.now()
	until := int64(0)
	if over := row.Failures - maxFailures + 2; over > 0 {
		until = int64(model.At(now.Add(min(lockFirst<<min(over-1, 10), lockMost))))
	}
	n, err := o.q.CountAttempt(ctx, db.CountAttemptParams{UntilAt: until, ID: row.ID, Was: row.Failures, NowAt: int64(model.At(now))})
	if err != nil {
		return fmt.Errorf("count attempt: %w", err)
	}
	if n == 0 {
		return ErrLocked
	}
	return nil
}

// open makes a session in the transaction that audits it. compared is the hash that the
// password was found to be of: one that is another's by now opens nothing. Whoever ends
// sessions has the account's row first, so that none is opened behind his back.
func (o *Operators) open(ctx context.Context, who Operator, compared string) (Session, error) {
	now := o.now()
	s := Session{Token: rand.Text() + rand.Text(), Operator: who, ExpiresAt: model.At(now.Add(o.opts.Lifetime))}
	err := sqldb.InTx(ctx, o.db, func(tx *sql.Tx) error {
		q := o.q.WithTx(tx)
		n, err := q.Admit(ctx, db.AdmitParams{ID: int64(who.ID), Compared: compared})
		if err != nil || n == 0 {
			return cmp.Or(err, error(ErrSignIn))
		}
		if err := q.AddSession(ctx, db.AddSessionParams{
			TokenHash: tokenHash(s.Token), OperatorID: int64(who.ID),
			CreatedAt: int64(model.At(now)), SeenAt: int64(model.At(now)), ExpiresAt: int64(s.ExpiresAt),
		}); err != nil {
			return err
		}
		return o.RecordTx(ctx, tx, model.AuditEntry{Operator: who.ID, Action: "operator.sign_in", Target: target(who.ID)})
	})
	if err != nil {
		return Session{}, fmt.Errorf("open session: %w", err)
	}
	return s, nil
}

// seenEvery is how exactly a session's last use is kept, so that most requests only
// read.
const seenEvery = time.Minute

// Find returns who the token belongs to. Errors: ErrSession.
func (o *Operators) Find(ctx context.Context, token string) (Operator, error) {
	row, err := o.q.SessionOf(ctx, tokenHash(token))
	if errors.Is(err, sql.ErrNoRows) {
		return Operator{}, ErrSession
	}
	if err != nil {
		return Operator{}, fmt.Errorf("read session: %w", err)
	}
	now := o.now()
	seen := model.Millis(row.SeenAt).Time()
	if model.Millis(row.ExpiresAt) <= model.At(now) || now.Sub(seen) >= o.opts.Idle {
		return Operator{}, ErrSession
	}
	if now.Sub(seen) >= seenEvery {
		if err := o.q.SeeSession(ctx, db.SeeSessionParams{SeenAt: int64(model.At(now)), TokenHash: tokenHash(token)}); err != nil {
			return Operator{}, fmt.Errorf("keep session: %w", err)
		}
	}
	who, err := o.working(ctx, row.ID, row.Username, row.Name, row.Roles, standing{row.TotpActive, row.Renew.Bool})
	who.SessionEnds = model.Millis(row.ExpiresAt)
	return who, err
}

// standing is what an account still lacks.
type standing struct{ totp, renew bool }

// working is an operator at work: with his regions and what he may do. Who has no
// second factor, or a password that somebody else knows, mends that first.
func (o *Operators) working(ctx context.Context, id int64, username, name, roles string, is standing) (Operator, error) {
	who := Operator{ID: model.ID(id), Username: username, Name: name, Roles: splitRoles(roles), TOTP: is.totp, Renew: is.renew, Rights: []Right{OwnAccount}}
	var err error
	if who.Regions, err = o.regionsOf(ctx, id); err != nil {
		return Operator{}, err
	}
	if (is.totp || o.opts.PasswordAlone) && !is.renew {
		who.Rights = rightsOf(who.Roles)
	}
	return who, nil
}

// SignOut ends the session. Errors: ErrSession when there is none.
func (o *Operators) SignOut(ctx context.Context, token string) error {
	err := sqldb.InTx(ctx, o.db, func(tx *sql.Tx) error {
		q := o.q.WithTx(tx)
		row, err := q.SessionOf(ctx, tokenHash(token))
		if errors.Is(err, sql.ErrNoRows) {
			return ErrSession
		}
		if err != nil {
			return err
		}
		n, err := q.DropSession(ctx, tokenHash(token))
		if err != nil || n == 0 {
			return cmp.Or(err, error(ErrSession))
		}
		return o.RecordTx(ctx, tx, model.AuditEntry{Operator: model.ID(row.ID), Action: "operator.sign_out", Target: target(model.ID(row.ID))})
	})
	if err != nil {
		return fmt.Errorf("end session: %w", err)
	}
	return nil
}

// maxPurge bounds what one call of Purge takes on.
const maxPurge = 1000

// Purge deletes at most limit (≤ 1,000) sessions that have expired, and as many
// addresses whose attempts no longer count.
func (o *Operators) Purge(ctx context.Context, limit int) (int, error) {
	sessions, err := o.purgeSessions(ctx, limit)
	if err != nil {
		return 0, err
	}
	knocks, err := o.purgeKnocks(ctx, int32(min(limit, maxPurge)))
	return sessions + knocks, err
}

func (o *Operators) purgeSessions(ctx context.Context, limit int) (int, error) {
	hashes, err := o.q.OldSessions(ctx, db.OldSessionsParams{ExpiresAt: int64(model.At(o.now())), Limit: int32(min(limit, maxPurge))})
	if err != nil || len(hashes) == 0 {
		return 0, err
	}
	n, err := o.q.PurgeSessions(ctx, hashes)
	return int(n), err
}

// tokenHash is what is kept of a token. A plain hash does: a token is 256 random
// bits, which nobody guesses.
func tokenHash(token string) string {
	sum := sha256.Sum256([]byte(token))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
