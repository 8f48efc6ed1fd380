package carrier_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"kaimenhong/model"
	"kaimenhong/model/fault"
	world "kaimenhong/sandbox/carrier"
	"kaimenhong/sandbox/faults"
	"kaimenhong/service/carrier"
)

// stage is the sandbox's carrier behind HTTP, its faults, its clock, and what the
// client said and asked.
type stage struct {
	world  *world.World
	faults *faults.Set
	url    string
	log    *bytes.Buffer

	mu   sync.Mutex
	at   time.Time
	urls []string
	ids  []string // X-Request-Id of every request, in order
}

func (s *stage) now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.at
}

func (s *stage) move(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.at = s.at.Add(d)
}

func (s *stage) asked() (urls, ids []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.urls...), append([]string(nil), s.ids...)
}

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, model.Shanghai)

func newStage(t testing.TB) *stage {
	t.Helper()
	s := &stage{faults: faults.New(1), at: noon, log: &bytes.Buffer{}}
	var err error
	if s.world, err = world.New(s.now, s.faults, world.Options{Customers: 50}); err != nil {
		t.Fatal(err)
	}
	inner := http.StripPrefix("/carrier", s.world.Handler())
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// A server notices that its caller left only once the body is read.
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		s.mu.Lock()
		s.urls, s.ids = append(s.urls, r.URL.String()), append(s.ids, r.Header.Get("X-Request-Id"))
		s.mu.Unlock()
		w.Header().Set("Date", s.now().UTC().Format(http.TimeFormat))
		inner.ServeHTTP(w, r)
	}))
	t.Cleanup(func() { s.faults.Close(); server.Close() })
	s.url = server.URL
	return s
}

func (s *stage) client(t testing.TB, opts carrier.Options) *carrier.Client {
	t.Helper()
	if opts.BaseURL == "" {
		opts.BaseURL = s.url + "/carrier"
	}
	if opts.Token == "" {
		opts.Token = world.DefaultToken
	}
	opts.Backoff = time.Millisecond
	c, err := carrier.New(s.now, slog.New(slog.NewTextHandler(s.log, nil)), prometheus.NewRegistry(), opts)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func phone(t testing.TB, digits string) model.Phone {
	t.Helper()
	p, err := model.ParsePhone(digits)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// The personas of the sandbox that the tests speak of.
const (
	ordinary = "13800138001"
	arrears  = "13800138003"
	dataLow  = "13800138004"
	gold     = "13800138005"
	senior   = "13800138006"
	recycled = "13800138008"
	family   = "13800138009"
	diamond  = "13800138010"
)

func TestABalanceIsTheSumOfItsBucketsInFen(t *testing.T) {
	s := newStage(t)
	c := s.client(t, carrier.Options{})
	for _, tt := range []struct {
		name, phone        string
		available, arrears model.Fen
		expires            bool
	}{
		{"one bucket", ordinary, 8652, 0, false},
		{"in arrears", arrears, -4630, 4630, false},
		{"with a gift that ends", gold, 15200 + 3000, 0, true},
	} {
		got, err := c.Balance(t.Context(), phone(t, tt.phone))
		if err != nil || got.Available != tt.available || got.Arrears != tt.arrears || (got.ExpiresAt > 0) != tt.expires {
			t.Errorf("%s: Balance = %+v, %v; want %d available, %d owed", tt.name, got, err, tt.available, tt.arrears)
		}
		if got.AsOf != model.At(noon) || got.Stale {
			t.Errorf("%s: as of %s stale %v, want the carrier's instant", tt.name, got.AsOf.Time(), got.Stale)
		}
	}
}

func TestAllowancesComeInBytesSecondsAndMessages(t *testing.T) {
	s := newStage(t)
	c := s.client(t, carrier.Options{})
	for _, tt := range []struct {
		name, phone string
		want        []model.Allowance
	}{
		{"MB and seconds", senior, []model.Allowance{
			{Kind: model.Data, Name: "国内流量", Total: 5 << 30, Used: 536870912, Left: 5<<30 - 536870912},
			{Kind: model.Voice, Name: "国内通话", Total: 12000, Used: 1200, Left: 10800},
		}},
		{"unlimited", diamond, []model.Allowance{
			{Kind: model.Data, Name: "国内流量"}, {Kind: model.Voice, Name: "国内通话", Total: 180000, Left: 180000}, {Kind: model.SMS, Name: "国内短信", Total: 500, Left: 500},
		}},
	} {
		got, err := c.Usage(t.Context(), phone(t, tt.phone))
		if err != nil || len(got.Allowances) != len(tt.want) {
			t.Fatalf("%s: Usage = %+v, %v; want %d allowances", tt.name, got, err, len(tt.want))
		}
		for i, a := range got.Allowances {
			if end := a.ValidUntil.Time().Format("2006-01-02 15:04:05"); end != "2026-11-30 23:59:59" {
				t.Errorf("%s: %s ends %s", tt.name, a.Name, end)
			}
			if a.ValidUntil = 0; a != tt.want[i] {
				t.Errorf("%s: %+v, want %+v", tt.name, a, tt.want[i])
			}
		}
	}
}

func TestAPlanStandsBesideItsPacks(t *testing.T) {
	s := newStage(t)
	c := s.client(t, carrier.Options{})
	p := phone(t, gold)
	if _, err := c.Order(t.Context(), carrier.Order{Request: "pack", Phone: p, Offering: "OF-DATA-5G-7D"}); err != nil {
		t.Fatal(err)
	}
	s.move(time.Second)
	got, err := c.Plan(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	if got.Main.Name != "5G畅享套餐129元档" || got.Main.Fee != 12900 || len(got.Main.Details) != 3 || got.Main.Since == 0 {
		t.Errorf("main = %+v", got.Main)
	}
	if len(got.Packs) != 1 || got.Packs[0].Name != "5GB流量周包" || got.Packs[0].Fee != 1500 || got.Packs[0].EndsAt == 0 {
		t.Errorf("packs = %+v", got.Packs)
	}
}

func TestBillsComeNewestFirstAndAddUp(t *testing.T) {
	s := newStage(t)
	got, err := s.client(t, carrier.Options{}).Bills(t.Context(), phone(t, arrears))
	if err != nil || len(got.Bills) != 6 {
		t.Fatalf("Bills = %+v, %v; want six", got, err)
	}
	var due model.Fen
	for i, b := range got.Bills {
		var sum model.Fen
		for _, item := range b.Items {
			sum += item.Amount
		}
		if sum != b.Total || len(b.Items) == 0 {
			t.Errorf("%s: the items make %d of %d", b.Month, sum, b.Total)
		}
		if i > 0 && b.Month >= got.Bills[i-1].Month {
			t.Errorf("%s comes after %s", b.Month, got.Bills[i-1].Month)
		}
		due += b.Due
	}
	if got.Bills[0].Month != "2026-10" || due != 4630 {
		t.Errorf("the newest is %s, %d are due; want 2026-10 and 4630", got.Bills[0].Month, due)
	}
}

func TestACustomerIsWhoHoldsTheNumberNow(t *testing.T) {
	s := newStage(t)
	c := s.client(t, carrier.Options{})
	p := phone(t, recycled)
	before, err := c.Customer(t.Context(), p)
	if err != nil || before.HolderID == "" || before.Name != "吴*" || before.Province != "河南省" || before.City != "郑州市" || !before.Prepaid || before.LevelName != "普通" {
		t.Fatalf("Customer = %+v, %v", before, err)
	}
	if _, err := c.Balance(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	if _, err := s.world.Recycle(recycled); err != nil {
		t.Fatal(err)
	}
	// The remembered account is gone: the client learns the new one by itself.
	if got, err := c.Balance(t.Context(), p); err != nil || got.Available != 1000 {
		t.Errorf("Balance of the new holder = %+v, %v; want his 1000 fen", got, err)
	}
	if after, err := c.Customer(t.Context(), p); err != nil || after.HolderID == before.HolderID {
		t.Errorf("Customer = %+v, %v; want another holder than %s", after, err, before.HolderID)
	}
}

func TestNoNumberStandsInAURLOrALog(t *testing.T) {
	s := newStage(t)
	c := s.client(t, carrier.Options{Tries: 1, Trip: 1})
	p := phone(t, family)
	everything(t, c, p)
	if err := s.faults.Put("carrier", faults.Fault{Kind: faults.Reset}); err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	for _, err := range everything(t, c, p) {
		fmt.Fprintln(&said, err)
	}
	urls, _ := s.asked()
	for _, text := range append(urls, s.log.String(), said.String()) {
		if strings.Contains(text, family) || strings.Contains(text, world.DefaultToken) || strings.Contains(text, "127.0.0.1:") && strings.Contains(text, "tmf-api") {
			t.Errorf("%q tells too much", text)
		}
	}
	if len(urls) < 8 {
		t.Errorf("only %d calls were made", len(urls))
	}
}

// everything calls every method once and returns the errors.
func everything(t testing.TB, c *carrier.Client, p model.Phone) []error {
	t.Helper()
	var errs []error
	add := func(_ any, err error) { errs = append(errs, err) }
	add(c.Balance(t.Context(), p))
	add(c.Usage(t.Context(), p))
	add(c.Plan(t.Context(), p))
	add(c.Bills(t.Context(), p))
	add(c.Customer(t.Context(), p))
	add(c.Order(t.Context(), carrier.Order{Request: "every-1", Phone: p, Offering: "OF-CREDIT-10"}))
	add(c.TopUp(t.Context(), carrier.TopUp{Request: "every-2", Phone: p, Amount: 100}))
	add(c.OrderState(t.Context(), "every-1"))
	add(c.TopUpState(t.Context(), "every-2"))
	errs = append(errs, c.Check(t.Context()))
	return errs
}

func TestEveryCallWorksOnAHealthyCarrier(t *testing.T) {
	s := newStage(t)
	for i, err := range everything(t, s.client(t, carrier.Options{}), phone(t, family)) {
		if err != nil {
			t.Errorf("call %d = %v", i, err)
		}
	}
}

func TestAReadSurvivesWhatPasses(t *testing.T) {
	for _, tt := range []struct {
		name  string
		fault faults.Fault
		want  error
		tries int // of the first call, the usage query
	}{
		{"one 503", faults.Fault{Kind: faults.Status, Count: 1}, nil, 2},
		{"two resets", faults.Fault{Kind: faults.Reset, Count: 2}, nil, 3},
		{"one cut answer", faults.Fault{Kind: faults.Cut, AfterBytes: 20, Count: 1}, nil, 2},
		{"one garbled answer", faults.Fault{Kind: faults.Garbage, Count: 1}, nil, 2},
		{"one that hangs", faults.Fault{Kind: faults.Delay, DelayMS: 600_000, Count: 1}, nil, 2},
		{"503 for ever", faults.Fault{Kind: faults.Status}, carrier.ErrUnavailable, 3},
		{"garbage for ever", faults.Fault{Kind: faults.Garbage}, carrier.ErrBadAnswer, 3},
		{"429 is not pressed", faults.Fault{Kind: faults.Status, Status: 429, RetryAfter: 9}, carrier.ErrBusy, 1},
		{"a wrong token is not tried again", faults.Fault{Kind: faults.Status, Status: 403}, carrier.ErrDenied, 1},
		{"a proxy's 404 is not the carrier's word", faults.Fault{Kind: faults.Status, Status: 404}, carrier.ErrBadAnswer, 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newStage(t)
			c := s.client(t, carrier.Options{Attempt: 500 * time.Millisecond, Deadline: 5 * time.Second})
			if err := s.faults.Put("carrier.usage", tt.fault); err != nil {
				t.Fatal(err)
			}
			if _, err := c.Usage(t.Context(), phone(t, ordinary)); !errors.Is(err, tt.want) {
				t.Errorf("Usage = %v, want %v", err, tt.want)
			}
			_, ids := s.asked()
			if len(ids) != tt.tries {
				t.Fatalf("%d tries, want %d", len(ids), tt.tries)
			}
			for _, id := range ids {
				if id == "" || id != ids[0] {
					t.Errorf("the tries have ids %q, want one", ids)
				}
			}
		})
	}
}

func TestAnUnknownNumberIsTheCarriersWord(t *testing.T) {
	s := newStage(t)
	_, err := s.client(t, carrier.Options{}).Balance(t.Context(), phone(t, "15912345678"))
	if !errors.Is(err, carrier.ErrNoSubscriber) || fault.KindOf(err) != fault.NotFound {
		t.Errorf("Balance = %v, want %v", err, carrier.ErrNoSubscriber)
	}
}

func TestACallEndsAtItsDeadline(t *testing.T) {
	s := newStage(t)
	c := s.client(t, carrier.Options{Deadline: 50 * time.Millisecond})
	if err := s.faults.Put("carrier", faults.Fault{Kind: faults.Delay, DelayMS: 600_000}); err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	if _, err := c.Usage(t.Context(), phone(t, ordinary)); !errors.Is(err, carrier.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Usage = %v, want a deadline", err)
	}
	if took := time.Since(begun); took > 3*time.Second {
		t.Errorf("it took %s", took)
	}
}

func TestAnOrderMovesValueOnceWhateverHappens(t *testing.T) {
	for _, tt := range []struct {
		name    string
		fault   faults.Fault
		first   error
		effects model.Fen // after the first try alone
	}{
		{"nothing wrong", faults.Fault{}, nil, 1000},
		{"refused before the effect", faults.Fault{Kind: faults.Status, Status: 429, Count: 1}, carrier.ErrBusy, 0},
		{"reset before the effect", faults.Fault{Kind: faults.Reset, Count: 1}, carrier.ErrUnknownOutcome, 0},
		{"5xx tells nothing", faults.Fault{Kind: faults.Status, Count: 1}, carrier.ErrUnknownOutcome, 0},
		{"cut after the effect", faults.Fault{Kind: faults.Cut, Count: 1}, carrier.ErrUnknownOutcome, 1000},
		{"garbled after the effect", faults.Fault{Kind: faults.Garbage, Count: 1}, carrier.ErrUnknownOutcome, 1000},
		{"doubled on the way", faults.Fault{Kind: faults.Duplicate, Count: 1}, nil, 1000},
		{"late beyond the deadline", faults.Fault{Kind: faults.Delay, DelayMS: 600_000, Count: 1}, carrier.ErrUnknownOutcome, -1},
	} {
		for _, way := range []string{"order", "topup"} {
			t.Run(tt.name+" "+way, func(t *testing.T) {
				s := newStage(t)
				c := s.client(t, carrier.Options{Deadline: time.Second})
				place := func(again bool) (carrier.Receipt, error) {
					if way == "order" {
						return c.Order(t.Context(), carrier.Order{Request: "one", Phone: phone(t, ordinary), Offering: "OF-CREDIT-10", Again: again})
					}
					return c.TopUp(t.Context(), carrier.TopUp{Request: "one", Phone: phone(t, ordinary), Amount: 1000, Again: again})
				}
				if tt.fault.Kind != "" {
					if err := s.faults.Put("carrier."+way, tt.fault); err != nil {
						t.Fatal(err)
					}
				}
				if _, err := place(false); !errors.Is(err, tt.first) {
					t.Fatalf("the first try = %v, want %v", err, tt.first)
				}
				s.move(time.Second)
				if tt.effects >= 0 {
					if got := balance(t, s); got != 8652+tt.effects {
						t.Errorf("after the first try the balance is %d, want %d", got, 8652+tt.effects)
					}
				}
				for range 3 {
					if _, err := place(true); err != nil {
						t.Fatalf("again = %v", err)
					}
					s.move(time.Second)
				}
				if r, err := place(true); err != nil || r.Progress != carrier.Completed || !r.Progress.Final() {
					t.Errorf("in the end = %+v, %v; want completed", r, err)
				}
				s.faults.Close() // what was still on its way arrives now
				s.move(time.Second)
				if got := balance(t, s); got != 8652+1000 {
					t.Errorf("in the end the balance is %d, want %d", got, 8652+1000)
				}
			})
		}
	}
}

func balance(t testing.TB, s *stage) model.Fen {
	t.Helper()
	p, err := s.world.Look(ordinary)
	if err != nil {
		t.Fatal(err)
	}
	return model.Fen(p.Balance)
}

func TestAnOrdersStateIsAsked(t *testing.T) {
	s := newStage(t)
	c := s.client(t, carrier.Options{})
	if _, err := c.OrderState(t.Context(), "none"); !errors.Is(err, carrier.ErrNoOrder) {
		t.Errorf("the state of no order = %v", err)
	}
	s.world.FailNext(1)
	order := carrier.Order{Request: "a", Phone: phone(t, ordinary), Offering: "OF-SMS-100"}
	for _, tt := range []struct {
		after time.Duration
		want  carrier.Progress
	}{{0, carrier.Accepted}, {300 * time.Millisecond, carrier.Working}, {time.Second, carrier.Failed}} {
		if tt.after == 0 {
			if _, err := c.Order(t.Context(), order); err != nil {
				t.Fatal(err)
			}
		}
		s.move(tt.after)
		if got, err := c.OrderState(t.Context(), "a"); err != nil || got.Progress != tt.want || got.ID == "" {
			t.Errorf("after %s = %+v, %v; want %s", tt.after, got, err, tt.want)
		}
	}
	order.Offering = "OF-CREDIT-10"
	if _, err := c.Order(t.Context(), order); !errors.Is(err, carrier.ErrReused) {
		t.Errorf("another order under the same id = %v, want %v", err, carrier.ErrReused)
	}
	order.Again = true
	if _, err := c.Order(t.Context(), order); !errors.Is(err, carrier.ErrReused) {
		t.Errorf("the same again = %v, want %v", err, carrier.ErrReused)
	}
}

func TestWhatIsWrongInItselfIsNotSent(t *testing.T) {
	s := newStage(t)
	c := s.client(t, carrier.Options{})
	p := phone(t, ordinary)
	for _, o := range []carrier.Order{{Request: "", Phone: p, Offering: "x"}, {Request: "a", Offering: "x"}, {Request: "a", Phone: p}} {
		if _, err := c.Order(t.Context(), o); !errors.Is(err, carrier.ErrInvalid) {
			t.Errorf("Order(%+v) = %v", o, err)
		}
	}
	for _, amount := range []model.Fen{0, -1, 100_000_01} {
		if _, err := c.TopUp(t.Context(), carrier.TopUp{Request: "a", Phone: p, Amount: amount}); !errors.Is(err, carrier.ErrInvalid) {
			t.Errorf("TopUp of %d = %v", amount, err)
		}
	}
	if urls, _ := s.asked(); len(urls) != 0 {
		t.Errorf("%d calls were made", len(urls))
	}
	if _, err := c.Order(t.Context(), carrier.Order{Request: "a", Phone: p, Offering: "OF-NONE"}); !errors.Is(err, carrier.ErrRefused) {
		t.Errorf("an unknown offering = %v, want %v", err, carrier.ErrRefused)
	}
}

// A dead port: nothing was sent, and the client knows it.
func TestAConnectionThatWasNeverMadeChangedNothing(t *testing.T) {
	s := newStage(t)
	dead := httptest.NewServer(http.NotFoundHandler())
	dead.Close()
	c := s.client(t, carrier.Options{BaseURL: dead.URL})
	_, err := c.Order(t.Context(), carrier.Order{Request: "a", Phone: phone(t, ordinary), Offering: "OF-SMS-100"})
	if !errors.Is(err, carrier.ErrUnavailable) || errors.Is(err, carrier.ErrUnknownOutcome) {
		t.Errorf("Order = %v, want %v", err, carrier.ErrUnavailable)
	}
}

func TestABaseURLIsChecked(t *testing.T) {
	for _, bad := range []string{"", "carrier", "ftp://host", "http://user:secret@host", "http://host?x=1", "://"} {
		_, err := carrier.New(time.Now, slog.Default(), prometheus.NewRegistry(), carrier.Options{BaseURL: bad})
		if err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("New(%q) = %v", bad, err)
		}
	}
}
