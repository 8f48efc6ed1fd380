package session

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"kaimenhong/model"
	"kaimenhong/model/fault"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/session/internal/db"
)

// Tokens are what a mini-program gets. They are kept nowhere as they are.
type Tokens struct {
	Access       string
	AccessUntil  model.Millis
	Refresh      string
	RefreshUntil model.Millis
	Member       model.MemberID

	session model.ID
}

// maxCode bounds a code of WeChat, in bytes.
const maxCode = 256

// againWithin is how long the repeat of a request may still get what the first try
// made; a code of WeChat lives five minutes.
const againWithin = 10 * time.Minute

// Open turns the code of wx.login into a session. Where WeChat tells the unionid,
// the members of both apps become one. The repeat of a request whose answer was
// lost gets the same session with fresh tokens.
//
// Errors: ErrRequest, ErrCode, ErrCodeUsed, what WeChat and the members say.
func (s *Sessions) Open(ctx context.Context, code string, request model.RequestID) (Tokens, error) {
	switch {
	case !request.Valid():
		return Tokens{}, ErrRequest
	case code == "" || len(code) > maxCode:
		return Tokens{}, s.refuse("code", ErrCode)
	}
	got, err := s.reopen(ctx, code, request)
	if !errors.Is(err, sql.ErrNoRows) {
		return got, err
	}
	openID, unionID, err := s.Platform.Code2Session(ctx, code)
	if err != nil {
		return Tokens{}, s.codeFault("code", ErrCode, err)
	}
	who, err := s.member(ctx, openID, unionID)
	if err != nil {
		return Tokens{}, err
	}
	got, err = s.begin(ctx, who.ID, code, request)
	if sqldb.Duplicate(err) {
		return s.reopen(ctx, code, request) // another try was faster
	}
	return got, err
}

// codeFault words what WeChat says of a code.
func (s *Sessions) codeFault(reason string, refusal *fault.Error, err error) error {
	if fault.KindOf(err) == fault.Unauthenticated {
		return s.refuse(reason, refusal.With(err))
	}
	return err
}

func (s *Sessions) member(ctx context.Context, openID model.OpenID, unionID model.UnionID) (model.Member, error) {
	if unionID == "" {
		return s.People.Touch(ctx, model.MiniProgram, openID)
	}
	return s.People.Join(ctx, model.MiniProgram, openID, unionID)
}

// begin makes the session and its first tokens. Its member is held meanwhile: what ends
// his sessions, for he becomes another or leaves, has come before it, and then it is of
// whom he became, or comes after it and ends it too.
func (s *Sessions) begin(ctx context.Context, member model.MemberID, code string, request model.RequestID) (Tokens, error) {
	who := Identity{Session: s.IDs.Next(), App: model.MiniProgram}
	var got Tokens
	err := sqldb.InTx(ctx, s.DB, func(tx *sql.Tx) error {
		now := s.millis()
		m, err := s.Living.CurrentTx(ctx, tx, member, model.MiniProgram)
		if err != nil {
			return err
		}
		who.Member = m.ID
		err = s.q.WithTx(tx).AddSession(ctx, db.AddSessionParams{
			ID: int64(who.Session), MemberID: int64(who.Member), App: string(who.App), CodeHash: hash(code), RequestID: string(request),
			CreatedAt: int64(now), ExpiresAt: int64(now.Add(s.opts.RefreshLife)),
		})
		if err != nil {
			return err
		}
		got, err = s.hand(ctx, tx, who, "")
		return err
	})
	if err != nil {
		return Tokens{}, fmt.Errorf("open session: %w", err)
	}
	s.opened.WithLabelValues("opened").Inc()
	return got, nil
}

// hand makes a pair of tokens; parent is the hash of the refresh token that was
// given for it.
func (s *Sessions) hand(ctx context.Context, tx *sql.Tx, who Identity, parent string) (Tokens, error) {
	access, until, err := s.mint(who)
	if err != nil {
		return Tokens{}, err
	}
	got := Tokens{Access: access, AccessUntil: until, Refresh: newSecret(), RefreshUntil: s.millis().Add(s.opts.RefreshLife), Member: who.Member, session: who.Session}
	err = s.q.WithTx(tx).AddRefresh(ctx, db.AddRefreshParams{
		TokenHash: hash(got.Refresh), SessionID: int64(who.Session), ParentHash: parent, ExpiresAt: int64(got.RefreshUntil),
	})
	return got, err
}

// reopen is what a code gets that was seen before: sql.ErrNoRows when it was not,
// fresh tokens for the repeat of the same request, ErrCodeUsed for all else.
func (s *Sessions) reopen(ctx context.Context, code string, request model.RequestID) (Tokens, error) {
	row, err := s.q.SessionByCode(ctx, hash(code))
	if err != nil {
		return Tokens{}, err
	}
	late := s.millis() > model.Millis(row.CreatedAt).Add(againWithin)
	if row.RequestID != string(request) || row.EndedAt != 0 || late {
		return Tokens{}, s.refuse("code_used", ErrCodeUsed)
	}
	who := Identity{Member: model.MemberID(row.MemberID), Session: model.ID(row.ID), App: model.App(row.App)}
	var got Tokens
	err = sqldb.InTx(ctx, s.DB, func(tx *sql.Tx) error {
		got, err = s.replace(ctx, tx, who, request)
		return err
	})
	if err != nil {
		return Tokens{}, fmt.Errorf("open session again: %w", err)
	}
	return got, nil
}

// replace gives a session a new pair instead of one that never arrived.
func (s *Sessions) replace(ctx context.Context, tx *sql.Tx, who Identity, request model.RequestID) (Tokens, error) {
	q, now := s.q.WithTx(tx), s.millis()
	n, err := q.Prolong(ctx, db.ProlongParams{ExpiresAt: int64(now.Add(s.opts.RefreshLife)), ID: int64(who.Session)})
	if err != nil {
		return Tokens{}, err
	}
	if n == 0 {
		return Tokens{}, ErrEnded
	}
	lost, err := q.UnusedRefresh(ctx, int64(who.Session))
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return Tokens{}, err
	}
	if err == nil {
		if _, err := q.UseRefresh(ctx, db.UseRefreshParams{UsedAt: int64(now), UsedBy: string(request), TokenHash: lost.TokenHash}); err != nil {
			return Tokens{}, err
		}
	}
	return s.hand(ctx, tx, who, lost.ParentHash)
}

// BindPhone binds the number behind the code of a getPhoneNumber button. The repeat
// of a request that did so changes nothing, though the code is used up.
//
// Errors: ErrRequest, ErrPhoneCode, what WeChat and the members say.
func (s *Sessions) BindPhone(ctx context.Context, member model.MemberID, code string, request model.RequestID) error {
	switch {
	case !request.Valid():
		return ErrRequest
	case code == "" || len(code) > maxCode:
		return s.refuse("phone_code", ErrPhoneCode)
	}
	done, err := s.Binder.BoundBy(ctx, member, request)
	if err != nil || done {
		return err
	}
	phone, err := s.Platform.PhoneNumber(ctx, code)
	if err != nil {
		return s.codeFault("phone_code", ErrPhoneCode, err)
	}
	return s.Binder.BindVerified(ctx, member, phone, request)
}
