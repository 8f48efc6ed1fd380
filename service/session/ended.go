package session

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"time"

	"kaimenhong/model"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/session/internal/db"
)

// How a process knows, without asking, that a session has ended.
//
// An access token outlives its session by at most AccessLife, so a process keeps the
// ids of the sessions that ended within that time: it reads them at its first poll,
// then each second those that are new. A poll looks back by overlap, because an end
// is stamped before it is committed and clocks differ. A process whose last poll is
// older than Options.Poll × trusted asks the database at each request instead: a
// process that is cut off refuses rather than trusts.
const (
	overlap  = time.Minute
	trusted  = 5         // polls
	pollPage = 1000      // rows
	maxPages = 1000      // of one poll
	maxEnded = 1_000_000 // ids in memory; one has 16 bytes
)

// ended are the sessions that ended lately.
type ended struct {
	mu     sync.RWMutex
	at     map[int64]int64 // session → when, in Unix ms
	polled time.Time       // by the clock of Deps.Now, when the last whole poll began
}

// Reason says why a session ended; it is kept.
type Reason string

// The reasons.
const (
	SignedOut Reason = "signed_out"
	Reused    Reason = "reused" // a refresh token came twice
	Merged    Reason = "merged" // the member became part of another
	Closed    Reason = "closed" // he closed the account
)

// hasEnded tells whether the session has ended.
func (s *Sessions) hasEnded(ctx context.Context, id model.ID) (bool, error) {
	s.ended.mu.RLock()
	_, known := s.ended.at[int64(id)]
	age := s.Now().Sub(s.ended.polled)
	s.ended.mu.RUnlock()
	if known || age < trusted*s.opts.Poll {
		return known, nil
	}
	row, err := s.q.SessionOf(ctx, int64(id))
	if errors.Is(err, sql.ErrNoRows) {
		return true, nil // purged
	}
	if err != nil {
		return false, fmt.Errorf("read session: %w", err)
	}
	return row.EndedAt != 0, nil
}

// note remembers an end in this process.
func (s *Sessions) note(id model.ID, at model.Millis) {
	s.ended.mu.Lock()
	s.ended.at[int64(id)] = int64(at)
	s.ended.mu.Unlock()
}

// End ends a session; one that has ended stays so.
func (s *Sessions) End(ctx context.Context, id model.ID) error {
	now := s.millis()
	n, err := s.q.EndSession(ctx, db.EndSessionParams{EndedAt: int64(now), Reason: string(SignedOut), ID: int64(id)})
	if err != nil {
		return fmt.Errorf("end session: %w", err)
	}
	s.note(id, now)
	s.opened.WithLabelValues("ended").Add(float64(n))
	return nil
}

// JoinTx ends the sessions of a member who becomes part of another; he signs in
// anew as the other.
func (s *Sessions) JoinTx(ctx context.Context, tx *sql.Tx, from, _ model.MemberID) error {
	return s.endAll(ctx, tx, from, Merged)
}

// CloseTx ends the sessions of a member who closes his account.
func (s *Sessions) CloseTx(ctx context.Context, tx *sql.Tx, member model.MemberID) error {
	return s.endAll(ctx, tx, member, Closed)
}

func (s *Sessions) endAll(ctx context.Context, tx *sql.Tx, member model.MemberID, why Reason) error {
	n, err := s.q.WithTx(tx).EndSessionsOf(ctx, db.EndSessionsOfParams{EndedAt: int64(s.millis()), Reason: string(why), MemberID: int64(member)})
	if err != nil {
		return fmt.Errorf("end the sessions of member %s: %w", member, err)
	}
	s.opened.WithLabelValues("ended").Add(float64(n))
	return nil
}

// Run keeps the process told until ctx ends.
func (s *Sessions) Run(ctx context.Context) {
	ticker := time.NewTicker(s.opts.Poll)
	defer ticker.Stop()
	failing := false
	for {
		err := s.Refetch(ctx)
		if failing != (err != nil) && ctx.Err() == nil {
			failing = err != nil
			s.Log.WarnContext(ctx, "ended sessions are read", "failing", failing, "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// pollTimeout bounds one poll.
const pollTimeout = 5 * time.Second

// Refetch reads which sessions ended since the last time, and forgets those whose
// last access token has expired.
func (s *Sessions) Refetch(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, pollTimeout)
	defer cancel()
	began := s.Now()
	s.ended.mu.RLock()
	since := s.ended.polled.Add(-overlap)
	s.ended.mu.RUnlock()
	oldest := began.Add(-s.opts.AccessLife - overlap)
	if since.Before(oldest) {
		since = oldest
	}
	cursor := db.EndedSinceParams{Since: int64(model.At(since)), AtSince: int64(model.At(since)), Limit: pollPage}
	whole := false
	for range maxPages {
		rows, err := s.q.EndedSince(ctx, cursor)
		if err != nil {
			return fmt.Errorf("read ended sessions: %w", err)
		}
		s.ended.mu.Lock()
		for _, r := range rows {
			s.ended.at[r.ID] = r.EndedAt
		}
		s.ended.mu.Unlock()
		if whole = len(rows) < pollPage; whole {
			break
		}
		last := rows[len(rows)-1]
		cursor.Since, cursor.AtSince, cursor.AfterID = last.EndedAt, last.EndedAt, last.ID
	}
	s.ended.mu.Lock()
	defer s.ended.mu.Unlock()
	for id, at := range s.ended.at {
		if at < int64(model.At(oldest)) {
			delete(s.ended.at, id)
		}
	}
	// With more than fits, memory is not whole and every request asks the database.
	if len(s.ended.at) > maxEnded {
		clear(s.ended.at)
		whole = false
	}
	if whole {
		s.ended.polled = began
	}
	return nil
}

// maxPurge bounds what one call of Purge takes on.
const maxPurge = 1000

// Purge deletes at most limit (≤ 1,000) sessions that expired more than a day ago.
func (s *Sessions) Purge(ctx context.Context, limit int) (int, error) {
	before := int64(s.millis().Add(-24 * time.Hour))
	ids, err := s.q.ExpiredSessions(ctx, db.ExpiredSessionsParams{Before: before, Limit: int32(min(limit, maxPurge))})
	if err != nil || len(ids) == 0 {
		return 0, err
	}
	var n int64
	err = sqldb.InTx(ctx, s.DB, func(tx *sql.Tx) error {
		q := s.q.WithTx(tx)
		if n, err = q.PurgeSessions(ctx, db.PurgeSessionsParams{Ids: ids, Before: before}); err != nil {
			return err
		}
		return q.PurgeRefreshes(ctx, ids)
	})
	if err != nil {
		return 0, fmt.Errorf("purge sessions: %w", err)
	}
	return int(n), nil
}

// maxExport bounds the list of an export.
const maxExport = 1000

// Exported is what is kept of one session, for its member alone.
type Exported struct {
	App       model.App    `json:"app"`
	Since     model.Millis `json:"since"`
	ExpiresAt model.Millis `json:"expiresAt"`
	EndedAt   model.Millis `json:"endedAt,omitempty"`
	Reason    Reason       `json:"reason,omitempty"`
}

// Export lists the member's sessions, newest first.
func (s *Sessions) Export(ctx context.Context, member model.MemberID) ([]Exported, error) {
	rows, err := s.q.SessionsOf(ctx, db.SessionsOfParams{MemberID: int64(member), Limit: maxExport})
	if err != nil {
		return nil, fmt.Errorf("export sessions: %w", err)
	}
	out := make([]Exported, 0, len(rows))
	for _, r := range rows {
		out = append(out, Exported{model.App(r.App), model.Millis(r.CreatedAt), model.Millis(r.ExpiresAt), model.Millis(r.EndedAt), Reason(r.Reason)})
	}
	return out, nil
}
