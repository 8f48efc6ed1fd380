package session_test

import (
	"context"
	"database/sql"
	"errors"
	"testing"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
	"kaimenhong/model/fault"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/session"
)

func (w *world) CurrentTx(_ context.Context, _ *sql.Tx, id model.MemberID, _ model.App) (model.Member, error) {
	return model.Member{ID: max(id, w.into)}, nil
}

func TestASessionIsOfWhomItsMemberBecameMeanwhile(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		const bob = alice + 1
		w := newWorld()
		w.into = bob
		s, _ := newSessions(t, db, w, 1, keyA)
		got := open(t, s, "code")
		if who, err := s.Verify(t.Context(), got.Access); err != nil || who.Member != bob || got.Member != bob {
			t.Errorf("the tokens are of %s and %s, %v, want %s", got.Member, who.Member, err, bob)
		}
		if err := sqldb.InTx(t.Context(), db, func(tx *sql.Tx) error { return s.CloseTx(t.Context(), tx, bob) }); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Refresh(t.Context(), got.Refresh, "r1"); !errors.Is(err, session.ErrEnded) {
			t.Errorf("Refresh after he left = %v, want ErrEnded", err)
		}
	})
}

// TestASessionOpenedWhileItsMemberWentIsNotProlonged opens a session in the moment in
// which its member becomes another, or closes his account, and so misses its end.
func TestASessionOpenedWhileItsMemberWentIsNotProlonged(t *testing.T) {
	const bob model.MemberID = 3
	for _, tt := range []struct {
		name string
		is   func() (model.MemberID, error)
		why  session.Reason
	}{
		{"who became another", func() (model.MemberID, error) { return bob, nil }, session.Merged},
		{"who closed his account", func() (model.MemberID, error) { return 0, fault.New(fault.NotFound, "test.gone", "没有") }, session.Closed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
				w := newWorld()
				s, _ := newSessions(t, db, w, 1, keyA)
				got := open(t, s, "code")
				w.is = func() (model.MemberID, error) { return 0, errDown }
				if _, err := s.Refresh(t.Context(), got.Refresh, "r1"); !errors.Is(err, errDown) {
					t.Fatalf("Refresh while nobody says who he is = %v, want %v", err, errDown)
				}
				w.is = tt.is
				if _, err := s.Refresh(t.Context(), got.Refresh, "r1"); !errors.Is(err, session.ErrEnded) {
					t.Errorf("Refresh = %v, want ErrEnded", err)
				}
				if _, err := s.Verify(t.Context(), got.Access); !errors.Is(err, session.ErrEnded) {
					t.Errorf("Verify = %v, want ErrEnded", err)
				}
				if list, err := s.Export(t.Context(), alice); err != nil || len(list) != 1 || list[0].Reason != tt.why {
					t.Errorf("Export = %+v, %v, want one that ended as %s", list, err, tt.why)
				}
			})
		})
	}
}
