package notice_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
	"kaimenhong/model/page"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/notice"
)

const alice, bob = model.MemberID(1), model.MemberID(2)

// fixture is the notices of one process at a time that the test sets.
type fixture struct {
	*notice.Notices
	t  *testing.T
	at *time.Time
}

func newNotices(t *testing.T, pool *sql.DB) fixture {
	t.Helper()
	at := time.Date(2026, 11, 22, 9, 0, 0, 0, model.Shanghai)
	now := func() time.Time { return at }
	node, err := sqldb.Node(t.Context(), pool)
	if err != nil {
		t.Fatal(err)
	}
	ids, err := model.NewIDs(node, now)
	if err != nil {
		t.Fatal(err)
	}
	n, err := notice.New(pool, ids, now, notice.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return fixture{n, t, &at}
}

// always is a member who stands still.
func always(member model.MemberID) notice.Reading {
	return func(context.Context, *sql.Tx) (model.MemberID, error) { return member, nil }
}

func (f fixture) add(member model.MemberID, request string) {
	f.t.Helper()
	if err := f.Add(f.t.Context(), always(member), "points.expiring", model.RequestID(request), "您有 10 积分将到期 "+request); err != nil {
		f.t.Fatal(err)
	}
}

func (f fixture) wantUnread(member model.MemberID, want int) {
	f.t.Helper()
	if n, err := f.Unread(f.t.Context(), member); err != nil || n != want {
		f.t.Errorf("Unread = %d, %v, want %d", n, err, want)
	}
}

func TestAMemberIsToldOnceAndReads(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
		f := newNotices(t, pool)
		f.wantUnread(alice, 0)
		f.add(alice, "a")
		f.add(alice, "a") // a repeat
		f.add(alice, "b")
		f.add(bob, "c") // somebody else's
		f.wantUnread(alice, 2)
		page, next, err := f.List(t.Context(), alice, "", 1)
		if err != nil || len(page) != 1 || next == "" || !strings.HasSuffix(page[0].Body, "b") || page[0].Read {
			t.Fatalf("List = %+v, %q, %v, want the newest, unread", page, next, err)
		}
		older, last, err := f.List(t.Context(), alice, next, 1)
		if err != nil || len(older) != 1 || last != "" || !strings.HasSuffix(older[0].Body, "a") {
			t.Fatalf("List after it = %+v, %q, %v, want the other and no more", older, last, err)
		}
		if err := f.MarkRead(t.Context(), alice, older[0].ID); err != nil {
			t.Fatal(err)
		}
		f.wantUnread(alice, 1)
		if err := f.MarkRead(t.Context(), alice, page[0].ID); err != nil {
			t.Fatal(err)
		}
		f.wantUnread(alice, 0)
		f.wantUnread(bob, 1)
		if all, err := f.Export(t.Context(), alice); err != nil || len(all) != 2 || !all[0].Read {
			t.Errorf("Export = %+v, %v, want both, read", all, err)
		}
	})
}

func TestAnotherProcessKnowsWithinSeconds(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
		one, two := newNotices(t, pool), newNotices(t, pool)
		two.wantUnread(alice, 0)
		one.add(alice, "a")
		one.wantUnread(alice, 1)
		two.wantUnread(alice, 0) // from memory
		*two.at = two.at.Add(5 * time.Second)
		two.wantUnread(alice, 1)
	})
}

func TestManyAskAtOnceAndEachIsToldHisOwn(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
		f := newNotices(t, pool)
		const many = 150 // more than one question has room for
		var wait sync.WaitGroup
		for i := range many {
			member := model.MemberID(100 + i)
			for k := range i % 4 {
				f.add(member, fmt.Sprintf("n-%d-%d", i, k))
			}
		}
		for i := range many {
			wait.Go(func() { f.wantUnread(model.MemberID(100+i), i%4) })
		}
		wait.Wait()
	})
}

func TestCountingEndsAtAHundred(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
		f := newNotices(t, pool)
		for i := range notice.MaxUnread + 1 {
			f.add(alice, fmt.Sprint("n-", i))
		}
		f.wantUnread(alice, notice.MaxUnread)
	})
}

func TestNoticesFollowAMergeAndEndWithTheMember(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
		f := newNotices(t, pool)
		f.add(alice, "a")
		f.add(bob, "b")
		if err := sqldb.InTx(t.Context(), pool, func(tx *sql.Tx) error { return f.JoinTx(t.Context(), tx, bob, alice) }); err != nil {
			t.Fatal(err)
		}
		if all, err := f.Export(t.Context(), alice); err != nil || len(all) != 2 {
			t.Errorf("after the merge he has %+v, %v", all, err)
		}
		if all, err := f.Export(t.Context(), bob); err != nil || len(all) != 0 {
			t.Errorf("the merged one still has %+v, %v", all, err)
		}
		if err := sqldb.InTx(t.Context(), pool, func(tx *sql.Tx) error { return f.CloseTx(t.Context(), tx, alice) }); err != nil {
			t.Fatal(err)
		}
		if all, err := f.Export(t.Context(), alice); err != nil || len(all) != 0 {
			t.Errorf("after closing he has %+v, %v", all, err)
		}
	})
}

func TestOldNoticesArePurged(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
		f := newNotices(t, pool)
		f.add(alice, "old")
		*f.at = f.at.Add(181 * 24 * time.Hour)
		f.add(alice, "new")
		if n, err := f.Purge(t.Context(), 500); err != nil || n != 1 {
			t.Errorf("Purge = %d, %v, want 1", n, err)
		}
		if n, err := f.Purge(t.Context(), 500); err != nil || n != 0 {
			t.Errorf("a second Purge = %d, %v, want 0", n, err)
		}
		if all, err := f.Export(t.Context(), alice); err != nil || len(all) != 1 || !strings.HasSuffix(all[0].Body, "new") {
			t.Errorf("Export = %+v, %v, want the new one", all, err)
		}
	})
}

func TestNonsenseIsRefused(t *testing.T) {
	f := newNotices(t, dbtest.SQLite(t))
	for name, err := range map[string]error{
		"no topic":        f.Add(t.Context(), always(alice), "", "r", "好"),
		"an endless one":  f.Add(t.Context(), always(alice), strings.Repeat("t", 65), "r", "好"),
		"no request":      f.Add(t.Context(), always(alice), "t", "", "好"),
		"nothing to say":  f.Add(t.Context(), always(alice), "t", "r", ""),
		"an endless text": f.Add(t.Context(), always(alice), "t", "r", strings.Repeat("好", 513)),
	} {
		if !errors.Is(err, notice.ErrNotice) {
			t.Errorf("%s: Add = %v, want %v", name, err, notice.ErrNotice)
		}
	}
	if _, _, err := f.List(t.Context(), alice, "x", 10); !errors.Is(err, page.ErrCursor) {
		t.Errorf("List = %v, want %v", err, page.ErrCursor)
	}
}
