package points

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
)

// oracleChecks is how many random histories each engine goes through.
const oracleChecks = "50"

func TestMain(m *testing.M) {
	flag.Parse()
	if os.Getenv(crashEnv) != "" {
		crashWorker()
		return
	}
	set := false
	flag.Visit(func(f *flag.Flag) { set = set || f.Name == "rapid.checks" })
	if !set {
		if err := flag.Set("rapid.checks", oracleChecks); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}

// oracle is the ledger as one would do it on paper, without tables, entries or
// locks.
type oracle struct {
	lots   []*paperLot // in the order of their making
	holds  map[model.ID]*paperHold
	spends map[string][]paperPiece
	given  map[string]bool // reversed references
}

type paperLot struct {
	nth             int
	left            model.Points
	active, expires model.Millis
}

type paperPiece struct {
	lot *paperLot
	n   model.Points
}

type paperHold struct {
	ref       string
	confirmed []paperPiece
	held      []paperPiece
	open      bool
}

// turn lets what is due expire.
func (o *oracle) turn(now model.Millis) {
	for _, l := range o.lots {
		if l.expires <= now {
			l.left = 0
		}
	}
}

func (o *oracle) add(n model.Points, active, expires model.Millis) {
	o.lots = append(o.lots, &paperLot{len(o.lots), n, active, expires})
}

func (o *oracle) balance(now model.Millis) (b model.PointsBalance) {
	for _, l := range o.lots {
		switch {
		case l.left == 0:
		case l.active > now:
			b.Pending += l.left
		default:
			b.Available += l.left
			if at := shown(int64(l.expires)); at != 0 {
				if b.ExpiresAt == 0 || at < b.ExpiresAt {
					b.ExpiresAt, b.Expiring = at, 0
				}
				if at == b.ExpiresAt {
					b.Expiring += l.left
				}
			}
		}
	}
	return b
}

func (o *oracle) take(n model.Points, now model.Millis) []paperPiece {
	lots := slices.Clone(o.lots)
	slices.SortStableFunc(lots, func(a, b *paperLot) int { return cmp.Compare(a.expires, b.expires) })
	var pieces []paperPiece
	for _, l := range lots {
		if part := min(n, l.left); part > 0 && l.active <= now {
			l.left -= part
			n -= part
			pieces = append(pieces, paperPiece{l, part})
		}
	}
	return pieces
}

func (o *oracle) give(pieces []paperPiece, extend int, now model.Millis) {
	for _, p := range pieces {
		if p.lot.expires > now {
			p.lot.left += p.n
		} else if extend > 0 {
			o.add(p.n, now, endOfDay(now.Time().AddDate(0, 0, extend)))
		}
	}
}

func sumPieces(pieces []paperPiece) (n model.Points) {
	for _, p := range pieces {
		n += p.n
	}
	return n
}

// machine drives the ledger and the oracle through the same history.
type machine struct {
	fixture
	oracle
	member model.MemberID
	n      int
	repeat func() error // the last successful change again: it must change nothing
}

func (m *machine) request() model.RequestID {
	m.n++
	return model.RequestID(fmt.Sprint("q", m.n))
}

func (m *machine) today() model.Millis { return model.At(m.clock.now()) }

func (m *machine) earn(t *rapid.T) {
	source := rapid.SampledFrom([]string{"month", "quarter", "ever", "later"}).Draw(t, "source")
	n := model.Points(rapid.IntRange(1, 50).Draw(t, "points"))
	request := m.request()
	m.repeat = func() error {
		got, err := m.Earn(context.Background(), m.member, source, n, model.Ref{}, request)
		if got != n {
			return fmt.Errorf("earned %d of %d: %w", got, n, err)
		}
		return err
	}
	if err := m.repeat(); err != nil {
		t.Fatal(err)
	}
	active := testRules[source].Delay.from(m.today())
	m.add(n, active, testRules[source].Expiry.At(active))
}

// price is an amount around what there is.
func (m *machine) price(t *rapid.T) (n model.Points, enough bool) {
	have := m.balance(m.today()).Available
	n = model.Points(rapid.Int64Range(1, int64(have)+int64(have)/4+1).Draw(t, "price"))
	return n, n <= have
}

func (m *machine) spend(t *rapid.T) {
	n, enough := m.price(t)
	request := m.request()
	ref := model.Ref{Type: "oracle", ID: fmt.Sprint(m.member, "-", request)}
	try := func() error {
		_, err := m.Spend(context.Background(), m.member, n, ref, "", request)
		return err
	}
	if err := try(); enough != (err == nil) || !enough && !errors.Is(err, ErrInsufficient) {
		t.Fatalf("Spend(%d) = %v with %+v", n, err, m.balance(m.today()))
	}
	if enough {
		m.repeat = try
		m.spends[ref.ID] = m.take(n, m.today())
	}
}

func (m *machine) hold(t *rapid.T) {
	n, enough := m.price(t)
	request := m.request()
	ref := model.Ref{Type: "oracle", ID: fmt.Sprint(m.member, "-", request)}
	id, err := m.Hold(context.Background(), m.member, n, 0, ref, "", request)
	if enough != (err == nil) || !enough && !errors.Is(err, ErrInsufficient) {
		t.Fatalf("Hold(%d) = %v with %+v", n, err, m.balance(m.today()))
	}
	if enough {
		m.holds[id] = &paperHold{ref: ref.ID, held: m.take(n, m.today()), open: true}
	}
}

func (m *machine) anyHold(t *rapid.T) (model.ID, *paperHold) {
	var open []model.ID
	for id, h := range m.holds {
		if h.open {
			open = append(open, id)
		}
	}
	if len(open) == 0 {
		t.Skip("no open hold")
	}
	slices.Sort(open)
	id := open[rapid.IntRange(0, len(open)-1).Draw(t, "hold")]
	return id, m.holds[id]
}

func (m *machine) confirm(t *rapid.T) {
	id, h := m.anyHold(t)
	n := model.Points(rapid.Int64Range(1, int64(sumPieces(h.held))).Draw(t, "part"))
	request := m.request()
	m.repeat = func() error { return m.Confirm(context.Background(), id, n, request) }
	if err := m.repeat(); err != nil {
		t.Fatal(err)
	}
	for rest := n; rest > 0; {
		part := min(rest, h.held[0].n)
		h.confirmed = append(h.confirmed, paperPiece{h.held[0].lot, part})
		if h.held[0].n -= part; h.held[0].n == 0 {
			h.held = h.held[1:]
		}
		rest -= part
	}
	if len(h.held) == 0 {
		h.open = false
		m.spends[h.ref] = h.confirmed
	}
}

func (m *machine) void(t *rapid.T) {
	id, h := m.anyHold(t)
	extend := rapid.SampledFrom([]int{0, 4}).Draw(t, "extend")
	request := m.request()
	m.repeat = func() error { return m.Void(context.Background(), id, extend, request) }
	if err := m.repeat(); err != nil {
		t.Fatal(err)
	}
	m.give(h.held, extend, m.today())
	h.open = false
	if len(h.confirmed) > 0 {
		m.spends[h.ref] = h.confirmed
	}
}

func (m *machine) reverse(t *rapid.T) {
	var refs []string
	for ref := range m.spends {
		refs = append(refs, ref)
	}
	if len(refs) == 0 {
		t.Skip("nothing was spent")
	}
	slices.Sort(refs)
	ref := rapid.SampledFrom(refs).Draw(t, "ref")
	extend := rapid.SampledFrom([]int{0, 4}).Draw(t, "extend")
	request := m.request()
	try := func() error {
		_, err := m.Reverse(context.Background(), model.Ref{Type: "oracle", ID: ref}, extend, request)
		return err
	}
	err := try()
	if m.given[ref] != errors.Is(err, ErrReversed) || !m.given[ref] && err != nil {
		t.Fatalf("Reverse = %v, reversed before: %v", err, m.given[ref])
	}
	if err == nil {
		m.repeat = try
		m.given[ref] = true
		m.give(m.spends[ref], extend, m.today())
	}
}

func (m *machine) wait(t *rapid.T) {
	m.clock.add(time.Duration(rapid.IntRange(1, 24*40).Draw(t, "hours")) * time.Hour)
	m.turn(m.today())
}

func (m *machine) job(t *rapid.T) {
	if _, err := m.SettleDue(context.Background()); err != nil {
		t.Fatal(err)
	}
}

func (m *machine) again(t *rapid.T) {
	if m.repeat == nil {
		t.Skip("nothing to repeat")
	}
	if err := m.repeat(); err != nil {
		t.Fatalf("the repeat = %v", err)
	}
}

func (m *machine) check(t *rapid.T) {
	got, err := m.PointsBalance(context.Background(), m.member)
	if want := m.balance(m.today()); err != nil || got != want {
		t.Fatalf("balance = %+v, %v, the oracle says %+v", got, err, want)
	}
}

func TestLedgerAgreesWithPaper(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
		f := newLedger(t, pool)
		member := model.MemberID(100_000)
		rapid.Check(t, func(rt *rapid.T) {
			member++
			m := &machine{fixture: f, member: member, oracle: oracle{holds: map[model.ID]*paperHold{}, spends: map[string][]paperPiece{}, given: map[string]bool{}}}
			rt.Repeat(map[string]func(*rapid.T){
				"earn": m.earn, "earn more": m.earn, "spend": m.spend, "hold": m.hold, "confirm": m.confirm, "void": m.void,
				"reverse": m.reverse, "wait": m.wait, "job": m.job, "again": m.again, "": m.check,
			})
		})
		f.wantClean(t)
	})
}
