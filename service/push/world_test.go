package push_test

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
	"kaimenhong/model/fault"
	"kaimenhong/service/push"
)

// crowd is the members, the materials and WeChat of a planner's test. Everybody
// follows, has opened the mini-program and agrees, unless the test says otherwise.
// It judges by itself: every message is counted by dispatch and member.
type crowd struct {
	mu       sync.Mutex
	now      time.Time
	frozen   []model.MemberID
	became   map[model.MemberID]model.MemberID
	reach    map[model.MemberID]*model.Reach
	known    map[model.MemberID]model.Member // those whom Get does not make up
	answer   func(call) error                // what WeChat says; nil: it takes all
	sent     []call                          // messages that arrived
	asked    []call
	deduped  map[string]bool
	unfollow []model.OpenID
	msgID    int
	began    func(call)    // asked when a call begins
	gate     chan struct{} // calls wait here, when it is there
	waiting  chan struct{} // and tell so
}

// call is one message to one person.
type call struct {
	channel model.Channel
	member  model.MemberID
	name    model.RequestID // that WeChat knows it by
	text    string          // says which material
	page    string
	at      time.Time
	id      string
}

func newCrowd(members int) *crowd {
	c := &crowd{now: noon, became: map[model.MemberID]model.MemberID{}, reach: map[model.MemberID]*model.Reach{}, deduped: map[string]bool{}}
	for i := range members {
		m := model.MemberID(1001 + i)
		c.frozen = append(c.frozen, m)
		c.reach[m] = &model.Reach{Member: m, Official: openID(m), Mini: "m" + openID(m), Follows: true, Agrees: true}
	}
	return c
}

func openID(m model.MemberID) model.OpenID { return model.OpenID(fmt.Sprintf("o%d", m)) }

func memberOf(o model.OpenID) model.MemberID {
	n, err := strconv.ParseInt(strings.TrimLeft(string(o), "mo"), 10, 64)
	if err != nil {
		panic(err)
	}
	return model.MemberID(n)
}

func (c *crowd) clock() time.Time { c.mu.Lock(); defer c.mu.Unlock(); return c.now }

func (c *crowd) pass(d time.Duration) { c.mu.Lock(); defer c.mu.Unlock(); c.now = c.now.Add(d) }

func (c *crowd) FrozenMembers(_ context.Context, _ model.ID, after model.MemberID, limit int) ([]model.MemberID, error) {
	from, _ := slices.BinarySearch(c.frozen, after+1)
	return c.frozen[from:min(len(c.frozen), from+limit)], nil
}

// Persons knows one audience, the frozen one.
func (c *crowd) Persons(_ context.Context, audiences []model.ID, ids []model.MemberID) ([]model.Person, error) {
	people := make([]model.Person, len(ids))
	for i, id := range ids {
		p := model.Person{Now: cmp.Or(c.became[id], id)}
		for was, now := range c.became {
			if now == p.Now {
				p.Former = append(p.Former, was)
			}
		}
		for _, m := range append(p.Former, p.Now) {
			if len(audiences) > 0 && p.Former != nil && slices.Contains(c.frozen, m) {
				p.Drawn = append(p.Drawn, m)
			}
		}
		slices.SortFunc(p.Drawn, func(x, y model.MemberID) int {
			return cmp.Or(cmp.Compare(model.BucketOf(x), model.BucketOf(y)), cmp.Compare(x, y))
		})
		people[i] = p
	}
	return people, nil
}

func (c *crowd) Reach(_ context.Context, members []model.MemberID) ([]model.Reach, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := make([]model.Reach, len(members))
	for i, m := range members {
		if r := c.reach[m]; r != nil {
			out[i] = *r
		}
	}
	return out, nil
}

// Current is everybody by his own id and one openid of both apps, unless the test says
// otherwise.
func (c *crowd) Current(_ context.Context, m model.MemberID, _ model.App) (model.Member, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if k, ok := c.known[m]; ok {
		if k.ID == 0 {
			return k, errGone
		}
		return k, nil
	}
	return model.Member{ID: m, OpenID: openID(m), UnionID: model.UnionID("u" + openID(m))}, nil
}

var errGone = fault.New(fault.NotFound, "member.unknown", "")

func (c *crowd) Unfollow(_ context.Context, o model.OpenID, _ model.Millis) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.unfollow = append(c.unfollow, o)
	c.reach[memberOf(o)].Follows = false
	return nil
}

// errUnworded: the material has no words for a member with an id ending in 13.
var errUnworded = fault.New(fault.Invalid, "material.no_value", "缺少变量")

// unread is a material that cannot be read now.
const unread model.ID = 899

// Render makes material 100 + k for any channel: template T<k>.
func (c *crowd) Render(_ context.Context, material model.ID, members []model.MemberID) ([]model.Message, []error) {
	out, errs := make([]model.Message, len(members)), make([]error, len(members))
	for i, m := range members {
		if material == unread {
			errs[i] = busy
			continue
		}
		if material >= 900 && m%100 == 13 {
			errs[i] = errUnworded
			continue
		}
		name := fmt.Sprintf("T%d", material)
		out[i] = model.Message{Content: model.Text(name), Template: name, Data: map[string]string{"thing1": name}, Page: "pages/index"}
	}
	return out, errs
}

// take is WeChat's side of one call.
func (c *crowd) take(k call) (string, error) {
	c.mu.Lock()
	gate, waiting := c.gate, c.waiting
	k.at = c.now
	if c.began != nil {
		c.began(k)
	}
	c.mu.Unlock()
	if gate != nil {
		waiting <- struct{}{}
		<-gate
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked = append(c.asked, k)
	var err error
	if c.answer != nil {
		err = c.answer(k)
	}
	if err == nil || err == errLostAnswer {
		key := fmt.Sprint(k.channel, k.name, k.member)
		if k.name == "" || !c.deduped[key] {
			c.msgID++
			k.id = strconv.Itoa(c.msgID)
			c.sent = append(c.sent, k)
			c.deduped[key] = true
		}
	}
	if err == errLostAnswer {
		err = errUnknownAnswer
	}
	return k.id, err
}

// What WeChat says. After errLostAnswer the message has arrived nevertheless.
var (
	errLostAnswer    = fault.New(fault.Internal, "test.lost", "")
	errUnknownAnswer = fault.New(fault.Internal, "wechat.unknown_outcome", "")
)

func (c *crowd) SendCustom(_ context.Context, to model.OpenID, m model.Content) error {
	_, err := c.take(call{channel: model.CustomChannel, member: memberOf(to), text: m.Text})
	return err
}

func (c *crowd) SendSubscribe(_ context.Context, to model.OpenID, n model.Notice) (string, error) {
	return c.take(call{channel: model.MiniChannel, member: memberOf(to), text: n.Template, page: n.Page})
}

func (c *crowd) SendNotice(_ context.Context, to model.OpenID, n model.Notice) (string, error) {
	return c.take(call{channel: model.OfficialChannel, member: memberOf(to), text: n.Template, page: n.Page})
}

func (c *crowd) SendTemplate(_ context.Context, to model.OpenID, n model.Notice, request model.RequestID) (string, error) {
	return c.take(call{channel: model.TemplateChannel, member: memberOf(to), name: request, text: n.Template, page: n.Page})
}

func (c *crowd) SendMass(_ context.Context, to []model.OpenID, m model.Content, request model.RequestID) (id string, err error) {
	for _, o := range to {
		if id, err = c.take(call{channel: model.MassChannel, member: memberOf(o), name: request, text: m.Text}); err != nil {
			return id, err
		}
	}
	return "mass-" + string(request), nil
}

// arrived are the messages that arrived.
func (c *crowd) arrived() []call { c.mu.Lock(); defer c.mu.Unlock(); return slices.Clone(c.sent) }

// bench of a planner's test.
type rig struct {
	*crowd
	*push.Planner
	sql    *sql.DB
	rights *push.Pusher
}

func newRig(t testing.TB, pool *sql.DB, c *crowd, opts push.PlannerOptions) *rig {
	t.Helper()
	ids, err := model.NewIDs(1, c.clock)
	if err != nil {
		t.Fatal(err)
	}
	opts.Look = cmp.Or(opts.Look, time.Hour) // SendDue looks, and no board becomes too old in a slow test
	redis, log := dbtest.EmbeddedRedis(t), slog.New(slog.DiscardHandler)
	r := &rig{crowd: c, sql: pool}
	r.Planner = push.NewPlanner(push.PlannerNeeds{
		SQL: pool, Audience: c, Material: c, People: c, Sender: c, Broadcaster: c, TapKey: []byte("0123456789abcdef0123456789abcdef"),
		Redis: redis, IDs: ids, Now: c.clock, Log: log, Metrics: prometheus.NewRegistry(),
	}, opts)
	r.rights = push.New(push.Needs{
		SQL: pool, Redis: redis, People: newWorld(), Consents: newWorld(), Sender: c, Templates: c, IDs: ids, Now: c.clock, Log: log,
		Metrics: prometheus.NewRegistry(),
	}, push.Options{})
	return r
}

// dispatch is a marketing push by customer service from 12:00 to 20:00 of the next day.
func dispatch(id model.ID, ways ...model.Way) model.Dispatch {
	return model.Dispatch{
		ID: id, Campaign: 7, Step: 70, Frozen: 700, Purpose: model.Marketing,
		Variants: []model.Variant{{Name: "A", Share: 10_000, Ways: ways}},
		StartsAt: model.At(noon), EndsAt: model.At(noon.Add(32 * time.Hour)),
	}
}

func by(c model.Channel) model.Way { return model.Way{Channel: c, Material: 101} }

// stage stages a dispatch and checks the count.
func (r *rig) stage(t testing.TB, d model.Dispatch) {
	t.Helper()
	n, err := r.Stage(t.Context(), d)
	if err != nil || n != int64(len(r.frozen)) {
		t.Fatalf("Stage = %d, %v, want %d", n, err, len(r.frozen))
	}
}

// stall lets a replica begin to send and stops it within its calls, for longer than its
// lease: all calls of what it wrote "sending" have begun and wait, and every shard is
// free. wake lets it go on and answers what it said in the end.
func (r *rig) stall(ctx context.Context) (wake func() error, err error) {
	gate, waiting := make(chan struct{}), make(chan struct{}, 1000)
	r.crowd.mu.Lock()
	r.gate, r.waiting = gate, waiting
	r.crowd.mu.Unlock()
	done := make(chan error, 1)
	go func() {
		_, err := r.SendDue(ctx)
		done <- err
	}()
	wake = func() error {
		close(gate)
		return <-done
	}
	select {
	case <-waiting:
		var calls int
		err = r.sql.QueryRowContext(ctx, `SELECT COUNT(*) FROM push_delivery d JOIN push_shard s ON s.dispatch_id = d.dispatch_id AND s.n = d.shard
WHERE s.lease_until > 1 AND d.state = 'sending'`).Scan(&calls)
		for range calls - 1 {
			<-waiting
		}
	case err := <-done: // nothing was due
		done <- err
	}
	r.crowd.mu.Lock()
	r.gate = nil
	r.crowd.mu.Unlock()
	_, lost := r.sql.ExecContext(ctx, "UPDATE push_shard SET lease_until = 1 WHERE lease_until > 0")
	return wake, errors.Join(err, lost)
}

// windows opens everybody's customer-service window.
func (r *rig) windows(t testing.TB) {
	t.Helper()
	for _, m := range r.frozen {
		must(t.(*testing.T), r.rights.Touched(t.Context(), m, push.Messaged, model.At(r.clock())))
	}
}

// consents gives everybody one consent.
func (r *rig) consents(t testing.TB, c model.Channel, template string) {
	t.Helper()
	for _, m := range r.frozen {
		must(t.(*testing.T), r.rights.Grant(t.Context(), m, string(c), template, model.RequestID("g"+template)))
	}
}

// send sends what is due.
func (r *rig) send(t testing.TB) {
	t.Helper()
	if _, err := r.SendDue(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// states counts a campaign's recipients by "state why" or "state channel".
func (r *rig) states(t testing.TB, campaign model.ID) map[string]int64 {
	t.Helper()
	tallies, err := r.Tally(t.Context(), campaign)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]int64{}
	for _, y := range tallies {
		name := string(y.State)
		if y.State == model.DeliverySent {
			name += " " + string(y.Channel)
		} else if y.Why != "" {
			name += " " + y.Why
		}
		out[name] += y.Count
	}
	return out
}

// wants compares the states.
func (r *rig) wants(t testing.TB, want map[string]int64) {
	t.Helper()
	if got := r.states(t, 7); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("the recipients are %v, want %v", got, want)
	}
}

// ticksOf is a database's time that a test drives.
func ticksOf(at *model.Millis) func(context.Context) (model.Millis, error) {
	return func(context.Context) (model.Millis, error) { return *at, nil }
}
