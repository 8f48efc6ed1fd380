package session

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"kaimenhong/model"
	"kaimenhong/model/fault"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/session/internal/db"
)

// maxRefresh bounds a refresh token, in bytes; ours have 52.
const maxRefresh = 128

// Refresh trades a refresh token for a new pair; it is good once. A token that was
// used before ends the session: either he who brings it now or he who brought it
// then stole it. The repeat of one request is no theft: its answer was lost, and
// what it made then is replaced.
//
// Errors: ErrRequest, ErrRefresh, ErrReused, ErrEnded.
func (s *Sessions) Refresh(ctx context.Context, token string, request model.RequestID) (Tokens, error) {
	switch {
	case !request.Valid():
		return Tokens{}, ErrRequest
	case token == "" || len(token) > maxRefresh:
		return Tokens{}, s.refuse("refresh", ErrRefresh)
	}
	var got Tokens
	var stolen Identity
	err := sqldb.InTx(ctx, s.DB, func(tx *sql.Tx) (err error) {
		got, stolen, err = s.rotate(ctx, tx, hash(token), request)
		return err
	})
	switch {
	case stolen.Session != 0 && err == nil:
		s.note(stolen.Session, s.millis())
		s.Log.WarnContext(ctx, "refresh token used twice, session ended", "member", stolen.Member, "session", stolen.Session)
		return Tokens{}, s.refuse("refresh_reused", ErrReused)
	case errors.Is(err, ErrEnded):
		return Tokens{}, s.refuse("refresh_ended", ErrEnded)
	case errors.Is(err, ErrRefresh):
		return Tokens{}, s.refuse("refresh", ErrRefresh)
	case err != nil:
		return Tokens{}, fmt.Errorf("refresh session: %w", err)
	}
	if err := s.stillHis(ctx, got); err != nil {
		return Tokens{}, err
	}
	s.opened.WithLabelValues("refreshed").Inc()
	return got, nil
}

// stillHis ends a session whose member has become another or has closed his account,
// should one have outlived that.
func (s *Sessions) stillHis(ctx context.Context, got Tokens) error {
	now, err := s.People.Resolve(ctx, got.Member)
	why := Merged
	switch {
	case err == nil && now == got.Member:
		return nil
	case fault.KindOf(err) == fault.NotFound:
		why = Closed
	case err != nil:
		return fmt.Errorf("refresh session: %w", err)
	}
	at := s.millis()
	if _, err := s.q.EndSession(ctx, db.EndSessionParams{EndedAt: int64(at), Reason: string(why), ID: int64(got.session)}); err != nil {
		return fmt.Errorf("end the session of who is gone: %w", err)
	}
	s.note(got.session, at)
	return s.refuse("refresh_ended", ErrEnded)
}

// rotate does one try. stolen names a session that it ended, which is committed.
func (s *Sessions) rotate(ctx context.Context, tx *sql.Tx, given string, request model.RequestID) (got Tokens, stolen Identity, err error) {
	q, now := s.q.WithTx(tx), s.millis()
	row, err := q.RefreshOf(ctx, given)
	if errors.Is(err, sql.ErrNoRows) || err == nil && model.Millis(row.ExpiresAt) <= now {
		return got, stolen, ErrRefresh
	}
	if err != nil {
		return got, stolen, err
	}
	// The session's row comes first: it makes those who refresh at once queue up.
	n, err := q.Prolong(ctx, db.ProlongParams{ExpiresAt: int64(now.Add(s.opts.RefreshLife)), ID: row.SessionID})
	if err != nil {
		return got, stolen, err
	}
	if n == 0 {
		return got, stolen, ErrEnded
	}
	of, err := q.SessionOf(ctx, row.SessionID)
	if err != nil {
		return got, stolen, err
	}
	who := Identity{Member: model.MemberID(of.MemberID), Session: model.ID(of.ID), App: model.App(of.App)}
	n, err = q.UseRefresh(ctx, db.UseRefreshParams{UsedAt: int64(now), UsedBy: string(request), TokenHash: given})
	if err != nil {
		return got, stolen, err
	}
	if n == 1 {
		got, err = s.hand(ctx, tx, who, given)
		return got, stolen, err
	}
	again, err := s.again(ctx, q, given, request)
	if err != nil {
		return got, stolen, err
	}
	if again {
		got, err = s.replace(ctx, tx, who, request)
		return got, stolen, err
	}
	_, err = q.EndSession(ctx, db.EndSessionParams{EndedAt: int64(now), Reason: string(Reused), ID: of.ID})
	return got, who, err
}

// again tells that the token was used by this very request a moment ago and that
// nobody used what it got for it.
func (s *Sessions) again(ctx context.Context, q *db.Queries, given string, request model.RequestID) (bool, error) {
	row, err := q.RefreshOf(ctx, given) // as it stands now that the session is held
	if err != nil {
		return false, err
	}
	child, err := q.UnusedRefresh(ctx, row.SessionID)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return false, err
	}
	soon := s.millis() <= model.Millis(row.UsedAt).Add(againWithin)
	return soon && row.UsedBy == string(request) && child.ParentHash == given, nil
}
