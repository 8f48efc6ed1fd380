package campaign

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"kaimenhong/model"
	"kaimenhong/model/fault"
)

// world is everything around the campaigns of one test: one book, several replicas.
type world struct {
	t   testing.TB
	db  *sql.DB
	ids *model.IDs

	mu        sync.Mutex
	now       time.Time
	people    map[model.ID][]model.MemberID // by segment
	archived  map[model.ID]bool             // segments
	held      []model.ID                    // segments
	meanwhile func()                        // while an audience is frozen
	frozen    map[model.ID][]model.MemberID
	requests  map[model.RequestID]model.ID
	staged    []model.Dispatch
	told      []string
	tally     []Tally
	counting  time.Duration         // takes a count of all deliveries of a campaign
	counts    func(context.Context) // while the deliveries of a campaign are counted
	compared  int                   // tests whose deliveries were counted
	happens   map[model.MemberID]string
	became    map[model.MemberID]model.MemberID
	audit     []string
	trouble   []string // of every material
	game      Game
	kit       func(*Kit) // changes the one kit
	used      []model.ID // kits
	stageFail error
	partly    int64                                                        // people who were staged before it failed
	staging   func(context.Context, model.Dispatch) (done bool, err error) // while people are staged
	releasing func() error                                                 // before the pushes are told of a release
	silent    map[model.MemberID]bool                                      // of whom nobody can say
	asking    func(of When, members int)                                   // while it is asked to whom something happened
	unheard   Event                                                        // of which nobody says to whom it happened
	unwritten string                                                       // the id of what the audit takes no line of
}

var (
	errNoSegment = fault.New(fault.NotFound, "test.no_segment", "没有这个人群")
	errArchived  = fault.New(fault.Conflict, "test.archived", "人群“高价值”已归档")
	errDown      = fault.New(fault.Unavailable, "test.down", "连接中断")
)

// The people of the tests.
const (
	planner, checker     model.ID = 901, 902
	everybody, broken    model.ID = 11, 12
	nobody, some, others model.ID = 13, 14, 15
	aKit, aGame          model.ID = 21, 31
	aText                model.ID = 41
)

// begin is a Monday.
var begin = time.Date(2026, 2, 9, 9, 0, 0, 0, model.Shanghai)

// nodes keeps the ids of worlds that share a book apart.
var nodes atomic.Int64

func newWorld(t testing.TB, db *sql.DB) *world {
	t.Helper()
	w := &world{
		t: t, db: db, now: begin, people: map[model.ID][]model.MemberID{nobody: {}}, archived: map[model.ID]bool{}, frozen: map[model.ID][]model.MemberID{},
		requests: map[model.RequestID]model.ID{}, happens: map[model.MemberID]string{}, became: map[model.MemberID]model.MemberID{},
		game: Game{Name: "春节众筹红包", StartsAt: model.At(begin), EndsAt: model.At(begin.AddDate(0, 1, 0)), Budget: 100_000, Prize: 2000},
	}
	for m := range model.MemberID(5000) {
		w.people[everybody] = append(w.people[everybody], m+1)
		if m%2 == 0 {
			w.people[some] = append(w.people[some], m+1)
		}
	}
	var err error
	if w.ids, err = model.NewIDs(nodes.Add(1), w.clock); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) passes(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

// replica is another process of the same installation.
func (w *world) replica() *Campaigns {
	w.t.Helper()
	c, err := New(Deps{
		DB: w.db, IDs: w.ids, Now: w.clock, Log: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry(), Audit: w,
		Segments: w, Holds: w, Frozen: w, People: w, Library: w, Kits: w, Games: w, Pushes: w, Counts: w, Brakes: w, Keeps: w, Happened: w, Cron: fewFields,
	}, Options{})
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

// fewFields reads cron expressions of numbers and stars.
func fewFields(spec string) (func(time.Time) time.Time, error) {
	fields := strings.Fields(spec)
	want := make([]int, len(fields))
	for i, f := range fields {
		want[i] = -1
		if f == "*" {
			continue
		}
		n, err := strconv.Atoi(f)
		if err != nil {
			return nil, err
		}
		want[i] = n
	}
	matches := func(i, n int) bool { return want[i] < 0 || want[i] == n }
	return func(after time.Time) time.Time {
		at := after.In(model.Shanghai).Truncate(time.Minute).Add(time.Minute)
		for end := after.AddDate(2, 0, 0); at.Before(end); {
			switch {
			case !matches(2, at.Day()) || !matches(3, int(at.Month())) || !matches(4, int(at.Weekday())):
				at = time.Date(at.Year(), at.Month(), at.Day()+1, 0, 0, 0, 0, model.Shanghai)
			case !matches(1, at.Hour()):
				at = at.Truncate(time.Hour).Add(time.Hour)
			case !matches(0, at.Minute()):
				at = at.Add(time.Minute)
			default:
				return at
			}
		}
		return time.Time{}
	}, nil
}

func (w *world) RecordTx(_ context.Context, _ *sql.Tx, e model.AuditEntry) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.unwritten != "" && w.unwritten == e.Target.ID {
		return errDown
	}
	w.audit = append(w.audit, e.Operator.String()+" "+e.Action)
	return nil
}

func (w *world) Describe(_ context.Context, id model.ID) (Segment, error) {
	if id == broken {
		return Segment{Name: "坏人群", Trouble: "引用的标签“春节”已删除"}, nil
	}
	if _, ok := w.people[id]; !ok {
		return Segment{}, errNoSegment
	}
	return Segment{Name: "高价值", Sentence: "选出近3个月平均ARPU不低于50元的人。", Archived: w.archived[id]}, nil
}

func (w *world) HoldTx(_ context.Context, _ *sql.Tx, id model.ID) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.held = append(w.held, id)
	if _, ok := w.people[id]; !ok && id != broken {
		return errNoSegment
	}
	if w.archived[id] {
		return errArchived
	}
	return nil
}

func (w *world) Count(_ context.Context, id model.ID) (int64, error) {
	return int64(len(w.people[id])), nil
}

func (w *world) Matching(_ context.Context, id model.ID, members []model.MemberID) ([]model.MemberID, error) {
	var in []model.MemberID
	for _, m := range members {
		if slices.Contains(w.people[id], m) {
			in = append(in, m)
		}
	}
	return in, nil
}

func (w *world) Freeze(_ context.Context, segment model.ID, request model.RequestID) (model.ID, int64, error) {
	if w.meanwhile != nil {
		w.meanwhile()
	}
	return w.freeze(request, slices.Clone(w.people[segment]))
}

func (w *world) freeze(request model.RequestID, members []model.MemberID) (model.ID, int64, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	id, ok := w.requests[request]
	if !ok {
		id = model.ID(100_000 + len(w.requests))
		w.requests[request], w.frozen[id] = id, members
	}
	return id, int64(len(w.frozen[id])), nil
}

func (w *world) Collect(ctx context.Context, _ model.ID, request model.RequestID, next Source) (model.ID, int64, error) {
	var all []model.MemberID
	after := model.MemberID(0)
	for {
		members, through, err := next(ctx, after)
		if err != nil {
			return 0, 0, err
		}
		all = append(all, members...)
		if through == 0 {
			return w.freeze(request, all)
		}
		after = through
	}
}

func (w *world) Members(_ context.Context, frozen model.ID, after model.MemberID, limit int) ([]model.MemberID, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return upTo(w.frozen[frozen], after, limit), nil
}

func (w *world) Persons(_ context.Context, audiences []model.ID, ids []model.MemberID) ([]model.Person, error) {
	people := make([]model.Person, len(ids))
	for i, id := range ids {
		p := &people[i]
		p.Now = cmp.Or(w.became[id], id)
		for was, now := range w.became {
			if now == p.Now {
				p.Former = append(p.Former, was)
			}
		}
		for _, frozen := range audiences {
			if p.Former != nil && p.Drawn == nil {
				p.Drawn, _ = w.Among(context.Background(), frozen, append(slices.Clone(p.Former), p.Now))
			}
		}
	}
	return people, nil
}

func upTo(all []model.MemberID, after model.MemberID, limit int) []model.MemberID {
	i, found := slices.BinarySearch(all, after)
	if found {
		i++
	}
	return slices.Clone(all[i:min(len(all), i+limit)])
}

func (w *world) Kit(_ context.Context, id model.ID) (Kit, error) {
	if id != aKit {
		return Kit{}, errNoSegment.Saying("没有这个组合")
	}
	kit := Kit{Name: "回家", Materials: []model.ID{aText}, Game: aGame, Offer: Offer{Name: "春节流量包", StartsAt: model.At(begin), EndsAt: model.At(begin.AddDate(0, 1, 0))}}
	if w.kit != nil {
		w.kit(&kit)
	}
	return kit, nil
}

func (w *world) UseKitTx(_ context.Context, _ *sql.Tx, id model.ID) error {
	w.used = append(w.used, id)
	return nil
}

func (w *world) Check(context.Context, model.Way) ([]string, error) { return w.trouble, nil }

func (w *world) Preview(context.Context, model.ID, model.MemberID) (model.Message, error) {
	return model.Message{Content: model.Text("回家了吗？")}, nil
}

func (w *world) Game(context.Context, model.ID) (Game, error) { return w.game, nil }

func (w *world) StageSome(ctx context.Context, d model.Dispatch) (int64, bool, error) {
	if w.staging != nil {
		done, err := w.staging(ctx, d)
		if err != nil || !done {
			return 0, false, err
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stageFail != nil {
		return w.partly, false, w.stageFail
	}
	if !slices.ContainsFunc(w.staged, func(other model.Dispatch) bool { return other.ID == d.ID }) {
		w.staged = append(w.staged, d)
		w.tally = append(w.tally, Tally{Dispatch: d.ID, Step: d.Step, State: model.DeliveryPending, N: int64(len(w.frozen[d.Frozen]))})
	}
	return int64(len(w.frozen[d.Frozen])), true, nil
}

func (w *world) tell(word string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.told = append(w.told, word)
	return nil
}

func (w *world) Release(context.Context, model.ID) error {
	if w.releasing != nil {
		if err := w.releasing(); err != nil {
			return err
		}
	}
	return w.tell("release")
}

func (w *world) Tally(ctx context.Context, _ model.ID) ([]Tally, error) {
	if w.counts != nil {
		w.counts(ctx)
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(w.counting)
	return slices.Clone(w.tally), nil
}

func (w *world) TallyOf(_ context.Context, dispatch model.ID) ([]Tally, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.compared++
	return slices.DeleteFunc(slices.Clone(w.tally), func(t Tally) bool { return t.Dispatch != dispatch }), nil
}

func (w *world) Canary(context.Context, model.ID) (map[model.DeliveryState]int64, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	states := map[model.DeliveryState]int64{}
	for _, t := range w.tally {
		states[t.State] += t.N
	}
	return states, nil
}

func (w *world) Open(context.Context, model.ID) (bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.ContainsFunc(w.tally, func(t Tally) bool { return t.State == model.DeliveryPending || t.State == model.DeliverySending }), nil
}

func (w *world) Pause(context.Context, model.ID, string) error { return w.tell("pause") }
func (w *world) Resume(context.Context, model.ID) error        { return w.tell("resume") }
func (w *world) Kill(context.Context, model.ID) error          { return w.tell("kill") }

// KeepTx moves the end of what is staged, and skips who waits for a step that is not kept.
func (w *world) KeepTx(_ context.Context, _ *sql.Tx, _ model.ID, end model.Millis, lasts map[model.ID]time.Duration) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, d := range w.staged {
		w.staged[i].EndsAt = min(max(d.EndsAt, d.StartsAt.Add(lasts[d.Step])), end)
	}
	for i, t := range w.tally {
		if _, kept := lasts[t.Step]; !kept && t.State == model.DeliveryPending {
			w.tally[i].State, w.tally[i].Why = model.DeliverySkipped, "push.dropped"
		}
	}
	return nil
}

func (w *world) Look(_ context.Context, of When, members []model.MemberID, at model.Millis) (found []Happening, unheard []model.MemberID, err error) {
	if w.asking != nil {
		w.asking(of, len(members))
	}
	if w.unheard != "" && of.Event == w.unheard {
		return nil, nil, errDown
	}
	for _, m := range members {
		if w.silent[m] {
			unheard = append(unheard, m)
			continue
		}
		if ref := w.happens[m]; ref != "" && w.on(of, at, ref) {
			found = append(found, Happening{m, at, ref})
		}
	}
	return found, unheard, nil
}

// on tells that what happens on one day alone does on that of at.
func (w *world) on(of When, at model.Millis, ref string) bool {
	switch of.Event {
	case Payment, PackExpiry:
		return ref == (model.DayOf(at.Time()) + model.Day(of.Days)).String()
	}
	return true
}

func (w *world) Joined(_ context.Context, segment model.ID, after model.MemberID, limit int) ([]model.MemberID, error) {
	return upTo(w.people[segment], after, limit), nil
}

func (w *world) Among(_ context.Context, frozen model.ID, members []model.MemberID) ([]model.MemberID, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var in []model.MemberID
	for _, m := range members {
		if _, ok := slices.BinarySearch(w.frozen[frozen], m); ok {
			in = append(in, m)
		}
	}
	return in, nil
}

// plan is a good one: one push tomorrow at ten.
func plan(change ...func(*Plan)) Plan {
	p := Plan{
		Name: "回家", Goal: Revenue, Segment: everybody, Holdout: 10, Budget: 200_000, Kit: aKit,
		StartsAt: model.At(begin.Add(time.Hour)), EndsAt: model.At(begin.AddDate(0, 0, 10)),
		Steps: []Step{{
			Name: "除夕图文", Purpose: model.Marketing, Late: LateOnce, Hours: 48, When: When{Kind: AtInstant, At: model.At(begin.Add(25 * time.Hour))},
			Variants: []Variant{{"A", 10_000, []Way{{model.CustomChannel, aText}, {model.MiniChannel, aText}}}},
		}},
	}
	for _, c := range change {
		c(&p)
	}
	return p
}

func must[T any](t testing.TB) func(T, error) T {
	return func(value T, err error) T {
		t.Helper()
		if err != nil {
			f := fault.Of(err)
			t.Fatalf("%v: %s", err, f.Text)
		}
		return value
	}
}

// launch brings a plan as far as its schedule.
func (w *world) launch(c *Campaigns, p Plan) model.ID {
	w.t.Helper()
	ctx := w.t.Context()
	v := must[Version](w.t)(c.Create(ctx, planner, p))
	v = must[Version](w.t)(c.Submit(ctx, planner, v.Campaign, 1))
	must[Version](w.t)(c.Approve(ctx, checker, v.Campaign, 1, v.FrozenSize))
	must[Campaign](w.t)(c.Schedule(ctx, planner, v.Campaign, 1))
	return v.Campaign
}

// round is what the jobs do.
func (w *world) round(c *Campaigns) {
	w.t.Helper()
	for _, run := range []func(context.Context) (int, error){c.Watch, c.Advance, c.Stage, c.Advance} {
		if _, err := run(w.t.Context()); err != nil && !errors.Is(err, errDown) {
			w.t.Fatal(err)
		}
	}
}

func (w *world) state(c *Campaigns, id model.ID, want State) {
	w.t.Helper()
	if got := must[Campaign](w.t)(c.Get(w.t.Context(), id)); got.State != want {
		w.t.Fatalf("the campaign is %s (%s), want %s", got.State, got.Why, want)
	}
}
