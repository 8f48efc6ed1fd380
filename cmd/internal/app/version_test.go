package app

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
	"kaimenhong/model/fault"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/campaign"
	"kaimenhong/service/push"
)

// mailroom is an office whose campaigns are pushed: everybody can be reached, and WeChat
// takes so many templates a day.
type mailroom struct {
	*office
	push *push.Planner
	sent postbag
}

// postbag is WeChat: it counts what it took by template, which is that of a material.
type postbag struct {
	reached
	mu   sync.Mutex
	took map[string]int
}

// reached are people whom everything reaches.
type reached struct{}

func (reached) Reach(_ context.Context, members []model.MemberID) ([]model.Reach, error) {
	all := make([]model.Reach, len(members))
	for i, m := range members {
		all[i] = model.Reach{Member: m, Official: model.OpenID(fmt.Sprint("o", m)), Follows: true, Agrees: true}
	}
	return all, nil
}

func (reached) Current(_ context.Context, m model.MemberID, _ model.App) (model.Member, error) {
	return model.Member{ID: m}, nil
}
func (reached) Unfollow(context.Context, model.OpenID, model.Millis) error { return nil }
func (reached) SendCustom(context.Context, model.OpenID, model.Content) error {
	return nil
}
func (reached) SendSubscribe(context.Context, model.OpenID, model.Notice) (string, error) {
	return "", nil
}
func (reached) SendNotice(context.Context, model.OpenID, model.Notice) (string, error) {
	return "", nil
}
func (reached) SendMass(context.Context, []model.OpenID, model.Content, model.RequestID) (string, error) {
	return "", nil
}

func (reached) Render(_ context.Context, material model.ID, members []model.MemberID) ([]model.Message, []error) {
	all := make([]model.Message, len(members))
	for i := range all {
		all[i] = model.Message{Template: fmt.Sprint("T", material)}
	}
	return all, make([]error, len(members))
}

func (b *postbag) SendTemplate(_ context.Context, _ model.OpenID, n model.Notice, _ model.RequestID) (string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.took[n.Template]++
	return "", nil
}

func newMailroom(t *testing.T, pool *sql.DB, aDay int64) *mailroom {
	t.Helper()
	m := &mailroom{office: newOffice(t, pool), sent: postbag{took: map[string]int{}}}
	node, err := sqldb.Node(t.Context(), pool)
	if err != nil {
		t.Fatal(err)
	}
	ids, err := model.NewIDs(node, m.clock)
	if err != nil {
		t.Fatal(err)
	}
	m.push = push.NewPlanner(push.PlannerNeeds{
		SQL: pool, Redis: dbtest.EmbeddedRedis(t), Audience: m.d.audience, Material: &m.sent, People: &m.sent, Sender: &m.sent, Broadcaster: &m.sent,
		TapKey: make([]byte, 32), IDs: ids, Now: m.clock, Log: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry(),
	}, push.PlannerOptions{Look: time.Hour, Quotas: map[model.Channel]push.Quota{model.TemplateChannel: {Day: aDay}}})
	c := m.d.campaign
	c.Pushes, c.Counts, c.Brakes, c.Keeps = m.push, counts{m.push}, m.push, m.push
	m.imports("老用户", 0, 30)
	return m
}

// notice is a step that tells everybody of a material.
func (m *mailroom) notice(name string, material model.ID, after time.Duration) campaign.Step {
	return campaign.Step{
		Name: name, Purpose: model.Transactional, When: campaign.When{Kind: campaign.AtInstant, At: model.At(m.clock().Add(after))}, Late: campaign.LateOnce, Hours: 168,
		Variants: []campaign.Variant{{Name: "A", Share: 10_000, Ways: []campaign.Way{{Channel: model.TemplateChannel, Material: material}}}},
	}
}

// runs launches a plan of some steps for two days, of which the first has come and was
// released.
func (m *mailroom) runs(steps ...campaign.Step) model.ID {
	m.t.Helper()
	all := m.segment("全部", `{"attribute":"plan","op":"eq","value":"老用户"}`)
	id := m.launch(campaign.Plan{
		Name: "回家", Goal: campaign.Care, Segment: all, Holdout: 1, StartsAt: model.At(m.clock()), EndsAt: model.At(m.clock().AddDate(0, 0, 2)), Steps: steps,
	})
	m.passes(61 * time.Minute)
	if _, err := m.d.campaign.Release(m.t.Context(), author, id); err != nil {
		m.t.Fatal(err, fault.Of(err).Text)
	}
	m.sends()
	return id
}

func (m *mailroom) sends() {
	m.t.Helper()
	if _, err := m.push.SendDue(m.t.Context()); err != nil {
		m.t.Fatal(err)
	}
}

// revise lets a changed plan go live.
func (m *mailroom) revise(id model.ID, change func(*campaign.Plan)) {
	m.t.Helper()
	c, ctx := m.d.campaign, m.t.Context()
	v, err := c.Revise(ctx, author, id)
	if err == nil {
		change(&v.Plan)
		v, err = c.Save(ctx, author, id, v.Version, v.Edits, v.Plan)
	}
	if err == nil {
		v, err = c.Submit(ctx, author, id, v.Version)
	}
	if err == nil {
		_, err = c.Approve(ctx, approver, id, v.Version, v.FrozenSize)
	}
	if err == nil {
		_, err = c.Schedule(ctx, author, id, v.Version)
	}
	if err != nil {
		m.t.Fatal(err, fault.Of(err).Text)
	}
}

// stand is where people stand to a step, "sent" or with the reason.
func (m *mailroom) stand(id model.ID, step string) map[string]int64 {
	m.t.Helper()
	rows, err := m.push.Tally(m.t.Context(), id)
	if err != nil {
		m.t.Fatal(err)
	}
	out := map[string]int64{}
	for _, r := range rows {
		if m.steps[r.Step] == step && r.State != model.DeliveryHeldOut {
			out[strings.TrimSpace(fmt.Sprint(r.State, " ", r.Why))] += r.Count
		}
	}
	return out
}

// TestWhatAVersionRemovesIsNotSentAnyMore takes a step with a wrong text away while most of
// its people wait for the next day's quota.
func TestWhatAVersionRemovesIsNotSentAnyMore(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
		m := newMailroom(t, pool, 10)
		id := m.runs(m.notice("写错的", 41, time.Hour), m.notice("次日的", 42, 25*time.Hour))
		before := m.stand(id, "写错的")
		if before["sent"] != 10 || before["pending"] < 15 {
			t.Fatalf("before the change people stand at %v, want 10 sent and the others waiting", before)
		}
		m.revise(id, func(p *campaign.Plan) { p.Steps = p.Steps[1:] })
		m.passes(23 * time.Hour)
		m.sends() // of the next day's quota
		if got := m.stand(id, "写错的"); got["sent"] != 10 || got["skipped push.dropped"] != before["pending"] || len(got) != 2 {
			t.Errorf("people stand at %v, want the 10 sent and the %d others skipped", got, before["pending"])
		}
		m.passes(time.Hour + time.Minute)
		m.sends()
		if m.sent.took["T41"] != 10 || m.sent.took["T42"] != 10 {
			t.Errorf("WeChat took %v, want 10 of the step that was removed and 10 of the next", m.sent.took)
		}
		if words := push.Reason("push.dropped"); !strings.Contains(words, "步骤") {
			t.Errorf("the reason reads %q, want words", words)
		}
	})
}

// TestWhoWaitsIsServedUntilTheLaterEnd lets people wait for the quota of days that a later
// version of the plan reaches.
func TestWhoWaitsIsServedUntilTheLaterEnd(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
		m := newMailroom(t, pool, 7)
		id := m.runs(m.notice("通知", 41, time.Hour))
		var end model.Millis
		m.revise(id, func(p *campaign.Plan) { p.EndsAt = p.EndsAt.Add(48 * time.Hour); end = p.EndsAt })
		for m.clock().Before(end.Time()) {
			m.passes(8 * time.Hour)
			m.sends()
		}
		if got := m.stand(id, "通知"); got["sent"] < 25 || len(got) != 1 {
			t.Errorf("people stand at %v, want all sent by the fifth day", got)
		}
	})
}
