package points

import (
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
)

const day = 24 * time.Hour

func TestExpiryIsTheLastMillisecondOfADayInChina(t *testing.T) {
	at := func(s string) model.Millis {
		t.Helper()
		v, err := time.ParseInLocation("2006-01-02 15:04:05.000", s, model.Shanghai)
		if err != nil {
			t.Fatal(err)
		}
		return model.At(v)
	}
	for _, tt := range []struct {
		name   string
		expiry Expiry
		from   string
		want   string
	}{
		{"a month later, the same day", Expiry{Months: 1}, "2026-11-21 10:00:00.000", "2026-12-21 23:59:59.999"},
		{"a shorter month ends earlier", Expiry{Months: 1}, "2026-01-31 00:00:00.000", "2026-02-28 23:59:59.999"},
		{"29 February of a leap year", Expiry{Months: 12}, "2028-02-29 12:00:00.000", "2029-02-28 23:59:59.999"},
		{"one millisecond before midnight", Expiry{Months: 1}, "2026-11-30 23:59:59.999", "2026-12-30 23:59:59.999"},
		{"the end of this year", Expiry{YearEnds: 1}, "2026-12-31 23:59:59.999", "2026-12-31 23:59:59.999"},
		{"the end of the next year", Expiry{YearEnds: 2}, "2026-01-01 00:00:00.000", "2027-12-31 23:59:59.999"},
		{"a fixed day", Expiry{On: at("2027-03-01 08:00:00.000")}, "2026-01-01 00:00:00.000", "2027-03-01 23:59:59.999"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.expiry.At(at(tt.from)); got != at(tt.want) {
				t.Errorf("At = %s, want %s", got.Time(), tt.want)
			}
		})
	}
	if got := (Expiry{}).At(at("2026-01-01 00:00:00.000")); shown(int64(got)) != 0 {
		t.Errorf("points without an expiry expire at %s", got.Time())
	}
	if (Expiry{Months: 1, YearEnds: 1}).valid() == nil || (Expiry{Months: -1}).valid() == nil || (Expiry{YearEnds: 101}).valid() == nil {
		t.Error("an impossible policy is accepted")
	}
}

func TestEarningRules(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
		f := newLedger(t, pool)
		n := 0
		earn := func(source string, amount model.Points, want model.Points, wantErr error) {
			t.Helper()
			n++
			got, err := f.Earn(t.Context(), alice, source, amount, model.Ref{}, model.RequestID(fmt.Sprint("r", n)))
			if got != want || !errors.Is(err, wantErr) {
				t.Errorf("Earn(%s, %d) = %d, %v, want %d, %v", source, amount, got, err, want, wantErr)
			}
		}
		earn("nowhere", 1, 0, ErrSource)
		earn("capped", 60, 60, nil)
		earn("capped", 60, 40, nil) // what the day leaves
		earn("capped", 1, 0, ErrCapped)
		f.clock.add(day)
		earn("capped", 100, 50, nil) // what the month leaves
		earn("capped", 1, 0, ErrCapped)
		f.clock.add(10 * day)
		earn("capped", 100, 100, nil) // another month
		earn("fixed", 5, 0, ErrSourceEnded)
		got, err := f.Earn(t.Context(), alice, "capped", 60, model.Ref{}, "r3")
		if got != 40 || err != nil {
			t.Errorf("the repeat of a cut earning = %d, %v, want its first answer 40", got, err)
		}
		f.wantBalance(t, alice, 250)
		f.wantClean(t)
	})
}

func TestPendingPointsBecomeActive(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
		f := newLedger(t, pool)
		f.mustEarn(t, alice, "later", 50, "e1")
		want := func(available, pending model.Points) {
			t.Helper()
			b, err := f.PointsBalance(t.Context(), alice)
			if err != nil || b.Available != available || b.Pending != pending {
				t.Fatalf("balance = %+v, %v, want %d and %d pending", b, err, available, pending)
			}
		}
		want(0, 50)
		if _, err := f.Spend(t.Context(), alice, 1, bought("1"), "", "s1"); !errors.Is(err, ErrInsufficient) {
			t.Errorf("pending points were spent: %v", err)
		}
		f.clock.add(2*day + 13*time.Hour + 59*time.Minute)
		want(0, 50)
		f.clock.add(time.Minute) // midnight of the third day
		want(50, 0)
		if n, err := f.SettleDue(t.Context()); n != 1 || err != nil {
			t.Errorf("SettleDue = %d, %v", n, err)
		}
		want(50, 0)
		if _, err := f.Spend(t.Context(), alice, 50, bought("2"), "", "s2"); err != nil {
			t.Errorf("active points cannot be spent: %v", err)
		}
		f.wantClean(t)
	})
}

func TestExpiryJobAndReminder(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
		f := newLedger(t, pool)
		const members = slice + 5 // more than one slice
		for i := range members {
			f.mustEarn(t, model.MemberID(1000+i), "month", 10, "e")
			f.mustEarn(t, model.MemberID(1000+i), "quarter", 7, "e2")
		}
		for _, step := range []struct {
			after    time.Duration
			promised int
		}{{20 * day, 0}, {4 * day, members}, {day, 0}} {
			f.clock.add(step.after)
			if n, err := f.RemindDue(t.Context()); n != step.promised || err != nil {
				t.Fatalf("RemindDue after %s = %d, %v, want %d", step.after, n, err, step.promised)
			}
		}
		expires := Expiry{Months: 1}.At(model.At(testStart))
		got := f.outbox.rows[fmt.Sprintf("%s remind/1000/%d", TopicExpiring, expires)]
		if got != `{"member":"1000","points":10,"expiresAt":"2026-12-21T23:59:59.999+08:00"}` {
			t.Errorf("the reminder says %s", got)
		}
		f.clock.add(10 * day)
		f.wantBalance(t, 1000, 7)
		if n, err := f.SettleDue(t.Context()); n != members || err != nil {
			t.Errorf("SettleDue = %d, %v, want %d", n, err, members)
		}
		if n, err := f.SettleDue(t.Context()); n != 0 || err != nil {
			t.Errorf("SettleDue again = %d, %v", n, err)
		}
		f.wantBalance(t, 1000, 7)
		f.wantClean(t)
	})
}

func TestHolds(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
		f := newLedger(t, pool)
		f.mustEarn(t, alice, "month", 50, "e1")
		f.mustEarn(t, alice, "quarter", 50, "e2")
		hold, err := f.Hold(t.Context(), alice, 70, 0, bought("1"), "", "h1")
		if err != nil {
			t.Fatal(err)
		}
		again, err := f.Hold(t.Context(), alice, 70, 0, bought("1"), "", "h1")
		if again != hold || err != nil {
			t.Errorf("the repeat holds %s, %v, want %s", again, err, hold)
		}
		f.wantBalance(t, alice, 30)
		ctx := t.Context()
		for _, tt := range []struct {
			name    string
			do      func() error
			want    error
			balance model.Points
		}{
			{"more than is held is refused", func() error { return f.Confirm(ctx, hold, 71, "c0") }, ErrHoldAmount, 30},
			{"a reversal waits for the hold's end", func() error { _, err := f.Reverse(ctx, bought("1"), 0, "r0"); return err }, ErrHoldOpen, 30},
			{"a part is confirmed", func() error { return f.Confirm(ctx, hold, 20, "c1") }, nil, 30},
			{"its repeat confirms nothing", func() error { return f.Confirm(ctx, hold, 20, "c1") }, nil, 30},
			{"another part is confirmed", func() error { return f.Confirm(ctx, hold, 35, "c2") }, nil, 30},
			{"the rest comes back", func() error { return f.Void(ctx, hold, 0, "v1") }, nil, 45},
			{"its repeat brings nothing", func() error { return f.Void(ctx, hold, 0, "v1") }, nil, 45},
			{"a voided hold is not confirmed", func() error { return f.Confirm(ctx, hold, 1, "c3") }, ErrHoldClosed, 45},
			{"what was confirmed comes back once", func() error { _, err := f.Reverse(ctx, bought("1"), 0, "r1"); return err }, nil, 100},
			{"and not twice", func() error { _, err := f.Reverse(ctx, bought("1"), 0, "r2"); return err }, ErrReversed, 100},
			{"an unknown hold is not found", func() error { return f.Void(ctx, 12, 0, "v1") }, ErrNoHold, 100},
		} {
			t.Run(tt.name, func(t *testing.T) {
				if err := tt.do(); !errors.Is(err, tt.want) {
					t.Fatalf("= %v, want %v", err, tt.want)
				}
				f.wantBalance(t, alice, tt.balance)
			})
		}
		if _, err := f.Hold(ctx, alice, 10, model.At(f.clock.now().Add(time.Hour)), bought("2"), "", "h2"); err != nil {
			t.Fatal(err)
		}
		f.clock.add(2 * time.Hour)
		if n, err := f.VoidOverdue(ctx); n != 1 || err != nil {
			t.Errorf("VoidOverdue = %d, %v", n, err)
		}
		f.wantBalance(t, alice, 100)
		f.wantClean(t)
	})
}

func TestPointsThatComeBackLate(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
		f := newLedger(t, pool)
		for _, tt := range []struct {
			name    string
			extend  int
			balance model.Points // after the return
			lasting model.Points // after the extension
		}{
			{"expired ones stay expired", 0, 20, 20},
			{"or are good for some days more", 5, 50, 20},
		} {
			t.Run(tt.name, func(t *testing.T) {
				member := model.MemberID(9000 + tt.extend)
				f.mustEarn(t, member, "month", 30, "e1")
				f.mustEarn(t, member, "ever", 20, "e2")
				ref := bought(tt.name)
				if _, err := f.Spend(t.Context(), member, 50, ref, "", "s"); err != nil {
					t.Fatal(err)
				}
				f.clock.add(40 * day)
				for range 2 {
					if n, err := f.Reverse(t.Context(), ref, tt.extend, "r"); n != 50 || err != nil {
						t.Fatalf("Reverse = %d, %v", n, err)
					}
					f.wantBalance(t, member, tt.balance)
				}
				f.clock.add(6 * day)
				f.wantBalance(t, member, tt.lasting)
			})
		}
		if _, err := f.Reverse(t.Context(), bought("nothing"), 0, "r"); !errors.Is(err, ErrNoSpend) {
			t.Errorf("Reverse of nothing = %v", err)
		}
		f.wantClean(t)
	})
}

func TestSignIn(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
		f := newLedger(t, pool)
		sum := model.Points(0)
		for _, tt := range []struct {
			wait   time.Duration
			points model.Points
			streak int
			again  bool
		}{{0, 1, 1, false}, {time.Hour, 1, 1, true}, {day, 2, 2, false}, {day, 3, 3, false}, {2 * day, 1, 1, false}, {day, 2, 2, false}, {day, 3, 3, false}, {day, 4, 4, false}, {day, 5, 5, false}, {day, 6, 6, false}, {day, 7, 7, false}, {day, 1, 8, false}} {
			f.clock.add(tt.wait)
			got, err := f.SignIn(t.Context(), alice)
			if want := (SignedIn{tt.points, tt.streak, tt.again}); got != want || err != nil {
				t.Fatalf("SignIn = %+v, %v, want %+v", got, err, want)
			}
			if !tt.again {
				sum += tt.points
			}
			f.wantBalance(t, alice, sum)
		}
		f.wantClean(t)
	})
}

func TestFirstBindEarnsOnce(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
		f := newLedger(t, pool)
		for _, tt := range []struct {
			name   string
			member model.MemberID
			key    string
			want   model.Points
			err    error
		}{
			{"the first time", alice, "k1", 100, nil},
			{"a repeat", alice, "k1", 0, nil},
			{"another number of the same member", alice, "k2", 0, nil},
			{"the same number of another member", bob, "k1", 0, nil},
			{"another member, another number", bob, "k3", 100, nil},
			{"no key", bob, "", 0, ErrPhoneKey},
		} {
			t.Run(tt.name, func(t *testing.T) {
				if got, err := f.FirstBind(t.Context(), tt.member, tt.key); got != tt.want || !errors.Is(err, tt.err) {
					t.Errorf("FirstBind = %d, %v, want %d, %v", got, err, tt.want, tt.err)
				}
			})
		}
		f.wantClean(t)
	})
}

func TestAdjustments(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
		f := newLedger(t, pool)
		ctx := t.Context()
		const maker, checker = model.ID(31), model.ID(32)
		adjust := func(n model.Points, request model.RequestID) (Adjustment, error) {
			return f.Adjust(ctx, maker, alice, n, "客诉补偿", request)
		}
		small, err := adjust(800, "a")
		if err != nil || small.State != AdjustPosted {
			t.Fatalf("Adjust within the limit = %+v, %v", small, err)
		}
		if again, err := adjust(800, "a"); again != small || err != nil {
			t.Errorf("its repeat = %+v, %v, want %+v", again, err, small)
		}
		if _, err := adjust(801, "a"); !errors.Is(err, ErrRequestReused) {
			t.Errorf("the same id with another amount = %v", err)
		}
		large, err := adjust(2000, "b")
		if err != nil || large.State != AdjustRequested {
			t.Fatalf("Adjust beyond the limit = %+v, %v", large, err)
		}
		f.wantBalance(t, alice, 800)
		if _, err := f.Approve(ctx, large.ID, maker); !errors.Is(err, ErrSamePerson) {
			t.Errorf("the maker approves himself: %v", err)
		}
		for range 2 {
			if a, err := f.Approve(ctx, large.ID, checker); err != nil || a.State != AdjustPosted {
				t.Fatalf("Approve = %+v, %v", a, err)
			}
			f.wantBalance(t, alice, 2800)
		}
		if _, err := f.Reject(ctx, large.ID, checker); !errors.Is(err, ErrDecided) {
			t.Errorf("Reject after Approve = %v", err)
		}
		for i := range 4 {
			if a, err := adjust(1000, model.RequestID(fmt.Sprint("d", i))); err != nil || a.State != AdjustPosted {
				t.Fatalf("adjustment %d of the day = %+v, %v", i, a, err)
			}
		}
		split, err := adjust(999, "split") // 4,800 of 5,000 are used
		if err != nil || split.State != AdjustRequested {
			t.Errorf("splitting goes round the limit of the day: %+v, %v", split, err)
		}
		if _, err := adjust(-200, "e"); err != nil {
			t.Errorf("a debit = %v", err)
		}
		f.wantBalance(t, alice, 6600)
		if _, err := f.Adjust(ctx, checker, bob, -1, "多发", "x"); !errors.Is(err, ErrInsufficient) {
			t.Errorf("a debit of nothing = %v", err)
		}
		if _, err := f.Adjust(ctx, maker, alice, 1, "  ", "y"); !errors.Is(err, ErrReason) {
			t.Errorf("no reason = %v", err)
		}
		waiting, _, err := f.Adjustments(ctx, AdjustRequested, "", 10)
		if err != nil || len(waiting) != 1 || waiting[0].ID != split.ID {
			t.Errorf("waiting are %+v, %v", waiting, err)
		}
		f.wantClean(t)
	})
}

func TestJoinedMembersAreOne(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
		f := newLedger(t, pool)
		ctx := t.Context()
		f.mustEarn(t, alice, "month", 100, "e1")
		f.mustEarn(t, alice, "later", 40, "e2")
		f.mustEarn(t, bob, "quarter", 5, "e1")
		f.mustEarn(t, alice, "capped", 90, "e3")
		if _, err := f.Spend(ctx, alice, 30, bought("1"), "", "s1"); err != nil {
			t.Fatal(err)
		}
		hold, err := f.Hold(ctx, alice, 20, 0, bought("2"), "", "h1")
		if err != nil {
			t.Fatal(err)
		}
		join := func() error {
			return f.inTx(ctx, kindJoin, func(tx *sql.Tx) error { return f.JoinTx(ctx, tx, alice, bob) })
		}
		for range 2 {
			if err := join(); err != nil {
				t.Fatalf("JoinTx = %v", err)
			}
			f.wantBalance(t, bob, 145)
			f.wantClean(t)
		}
		if _, err := f.Spend(ctx, bob, 30, bought("1"), "", "s1"); err != nil {
			t.Errorf("the repeat under the new id = %v", err)
		}
		f.wantBalance(t, bob, 145)
		if n, err := f.Earn(ctx, bob, "capped", 90, model.Ref{}, "e4"); n != 10 || err != nil {
			t.Errorf("the cap after the join leaves %d, %v, want 10", n, err)
		}
		if err := f.Void(ctx, hold, 0, "v1"); err != nil {
			t.Error(err)
		}
		if n, err := f.Reverse(ctx, bought("1"), 0, "r1"); n != 30 || err != nil {
			t.Errorf("Reverse = %d, %v", n, err)
		}
		f.mustEarn(t, alice, "ever", 1, "e5") // asked of the absorbed one
		f.wantBalance(t, bob, 206)
		page, _, err := f.Entries(ctx, bob, "", 100)
		if err != nil || len(page) != 11 {
			t.Errorf("the history has %d entries, %v, want 11", len(page), err)
		}
		err = f.inTx(ctx, kindJoin, func(tx *sql.Tx) error { return f.JoinTx(ctx, tx, alice, 555) })
		if !errors.Is(err, ErrMerged) {
			t.Errorf("joining the absorbed one elsewhere = %v", err)
		}
		f.wantClean(t)
	})
}

func TestClosing(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
		f := newLedger(t, pool)
		ctx := t.Context()
		f.mustEarn(t, alice, "month", 100, "e1")
		f.mustEarn(t, alice, "later", 40, "e2")
		if _, err := f.Spend(ctx, alice, 10, bought("0"), "", "s0"); err != nil {
			t.Fatal(err)
		}
		hold, err := f.Hold(ctx, alice, 20, 0, bought("1"), "", "h1")
		if err != nil {
			t.Fatal(err)
		}
		closing := func(member model.MemberID) error {
			return f.inTx(ctx, kindClose, func(tx *sql.Tx) error { return f.CloseTx(ctx, tx, member) })
		}
		if err := closing(alice); !errors.Is(err, ErrHeld) {
			t.Errorf("CloseTx with a hold = %v", err)
		}
		if err := f.Confirm(ctx, hold, 20, "c"); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := closing(alice); err != nil {
				t.Fatalf("CloseTx = %v", err)
			}
		}
		f.wantBalance(t, alice, 0)
		if _, err := f.Earn(ctx, alice, "month", 1, model.Ref{}, "e9"); !errors.Is(err, ErrClosed) {
			t.Errorf("a closed account earns: %v", err)
		}
		if n, err := f.Reverse(ctx, bought("0"), 5, "r"); n != 10 || err != nil {
			t.Errorf("Reverse after closing = %d, %v", n, err)
		}
		f.wantBalance(t, alice, 0)
		if err := closing(bob); err != nil {
			t.Errorf("closing one who has no account = %v", err)
		}
		if _, err := f.Earn(ctx, bob, "month", 1, model.Ref{}, "e10"); !errors.Is(err, ErrClosed) {
			t.Errorf("who had earned nothing before he closed his account earns: %v", err)
		}
		e, err := f.Export(ctx, alice)
		if err != nil || len(e.Entries) != 9 || len(e.Lots) != 0 || e.More {
			t.Errorf("Export = %d entries, %d lots, %v, %v", len(e.Entries), len(e.Lots), e.More, err)
		}
		f.wantClean(t)
	})
}

func TestAHistoryNamesWhatPointsWereFor(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
		f := newLedger(t, pool)
		ctx := t.Context()
		f.mustEarn(t, alice, "ever", 100, "e1")
		long := strings.Repeat("礼", 300)
		if _, err := f.Spend(ctx, alice, 10, bought("1"), "1GB流量：日包", "s1"); err != nil {
			t.Fatal(err)
		}
		if _, err := f.Reverse(ctx, bought("1"), 0, "r1"); err != nil {
			t.Fatal(err)
		}
		hold, err := f.Hold(ctx, alice, 20, 0, bought("2"), "咖啡券", "h1")
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(f.Confirm(ctx, hold, 5, "c1"), f.Void(ctx, hold, 0, "v1")); err != nil {
			t.Fatal(err)
		}
		for i, title := range []string{"", long} {
			if _, err := f.Spend(ctx, alice, 1, bought(fmt.Sprint("t", i)), title, model.RequestID(fmt.Sprint("t", i))); err != nil {
				t.Fatal(err)
			}
		}
		entries, _, err := f.Entries(ctx, alice, "", 7)
		if err != nil {
			t.Fatal(err)
		}
		want := []string{
			"积分兑换：" + long[:len("礼")*200], "积分兑换", "积分解冻：咖啡券", "冻结积分兑换：咖啡券", "积分冻结：咖啡券", "积分退回：1GB流量：日包", "积分兑换：1GB流量：日包",
		}
		for i, e := range entries {
			if e.Why != want[i] {
				t.Errorf("entry %d, %s, is for %q, want %q", i, e.Kind, e.Why, want[i])
			}
		}
		f.wantClean(t)
	})
}
