package story_test

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"kaimenhong/cmd/internal/app/story"
	"kaimenhong/model"
	"kaimenhong/model/fault"
	"kaimenhong/model/sqldb"
	"kaimenhong/sandbox"
	"kaimenhong/sandbox/faults"
	"kaimenhong/sandbox/wechat"
	"kaimenhong/service/material"
	"kaimenhong/service/push"
)

// campaigner plans what the replicas send: he stages, they do the rest.
type campaigner struct {
	*push.Planner
	t         *testing.T
	db        *sql.DB
	materials *material.Materials
	people    []model.MemberID
	openID    map[model.MemberID][2]string // in the account, in the mini-program
}

func newCampaigner(t *testing.T, dsn string) *campaigner {
	t.Helper()
	db, err := sqldb.Open(t.Context(), dsn, sqldb.Options{MaxOpen: 4})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	node, err := sqldb.Node(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	ids, err := model.NewIDs(node, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	c := &campaigner{t: t, db: db, openID: map[model.MemberID][2]string{}}
	log, reg := slog.New(slog.DiscardHandler), prometheus.NewRegistry()
	c.materials, err = material.New(material.Deps{DB: db, IDs: ids, Now: time.Now, Log: log, Metrics: reg, Values: c, Audit: c, Store: c, Catalogue: c}, material.Options{})
	if err != nil {
		t.Fatal(err)
	}
	c.Planner = push.NewPlanner(push.PlannerNeeds{SQL: db, Audience: c, IDs: ids, Now: time.Now, Log: log, Metrics: reg}, push.PlannerOptions{Shard: 40})
	return c
}

// What the library and the planner ask of others; the replicas have the real ones.
func (c *campaigner) Values(_ context.Context, members []model.MemberID, _ []string) ([]map[string]string, error) {
	return make([]map[string]string, len(members)), nil
}
func (c *campaigner) RecordTx(context.Context, *sql.Tx, model.AuditEntry) error { return nil }
func (c *campaigner) AddPicture(context.Context, string, []byte) (string, string, error) {
	return "", "", nil
}
func (c *campaigner) Game(context.Context, model.ID) (string, error)        { return "", nil }
func (c *campaigner) Offer(context.Context, material.Offer) (string, error) { return "", nil }
func (c *campaigner) FrozenMembers(_ context.Context, _ model.ID, after model.MemberID, _ int) ([]model.MemberID, error) {
	for i, m := range c.people {
		if m > after {
			return c.people[i:], nil
		}
	}
	return nil, nil
}

func (c *campaigner) Persons(_ context.Context, _ []model.ID, ids []model.MemberID) ([]model.Person, error) {
	people := make([]model.Person, len(ids))
	for i, id := range ids {
		people[i].Now = id
	}
	return people, nil
}

func (c *campaigner) exec(text string, args ...any) {
	c.t.Helper()
	if _, err := c.db.ExecContext(c.t.Context(), text, args...); err != nil {
		c.t.Fatal(err)
	}
}

// recruits makes members of the sandbox's followers, who allow one message of
// the mini-program's template each.
func (c *campaigner) recruits(w *story.World, n int, template string) {
	c.t.Helper()
	for _, phone := range w.Sandbox.Carrier.Phones() {
		p, err := w.Sandbox.Persona("c" + phone)
		if errors.Is(err, wechat.ErrNoUser) {
			continue // one of the personas
		}
		if err != nil {
			c.t.Fatal(err)
		}
		if len(c.people) == n {
			return
		}
		if err := w.Sandbox.WeChat.Subscribe(p.ID, wechat.Grant{Templates: []string{template}}); err != nil {
			c.t.Fatal(err)
		}
		id := model.MemberID(10_000 + len(c.people))
		c.people = append(c.people, id)
		c.openID[id] = [2]string{p.OpenID, p.MiniOpenID}
		c.exec("INSERT INTO member (id, version, source, follows, follow_changed_at, merged_into, merged_at, closed_at, joined_at) VALUES (?, 0, '', TRUE, 1, 0, 0, 0, 1)", int64(id))
		c.exec("INSERT INTO member_identity (app, openid, member_id, unionid, created_at) VALUES ('official_account', ?, ?, '', 1), ('mini_program', ?, ?, '', 1)", p.OpenID, int64(id), p.MiniOpenID, int64(id))
		c.exec("INSERT INTO push_entitlement (id, member_id, channel, template, source, granted_at, expires_at, remaining) VALUES (?, ?, 'mini_subscribe', ?, 'story', 1, 0, 1)", int64(id), int64(id), template)
	}
}

// publishes brings a notice through the library.
func (c *campaigner) publishes(channel model.Channel, t wechat.Template, fields map[string]string) model.ID {
	c.t.Helper()
	content := ""
	for _, f := range t.Fields {
		content += f.Name + ":{{" + f.Value + ".DATA}}\n"
	}
	ctx := c.t.Context()
	registered, err := c.materials.AddTemplate(ctx, 1, channel, t.ID, t.Title, content)
	if err != nil {
		c.t.Fatal(err)
	}
	fresh, err := c.materials.Create(ctx, 1, material.Fresh{Kind: material.Notice, Name: t.Title, Body: material.Body{Template: registered.ID, Fields: fields}})
	if err != nil {
		c.t.Fatal(err)
	}
	v, err := c.materials.Version(ctx, fresh.Open)
	if err == nil {
		v, err = c.materials.Submit(ctx, 1, v.ID, v.Revision)
	}
	if err == nil {
		v, err = c.materials.Publish(ctx, 2, v.ID, v.Revision)
	}
	if err != nil {
		c.t.Fatalf("%v: %s", err, fault.Of(err).Text)
	}
	return v.ID
}

func templateOf(kind wechat.TemplateKind, fields int) wechat.Template {
	for _, t := range wechat.DefaultTemplates() {
		if t.Kind == kind && len(t.Fields) == fields {
			return t
		}
	}
	panic("the sandbox has no such template")
}

// open counts the rows that are not at their end.
func (c *campaigner) open() (n int) {
	c.t.Helper()
	if err := c.db.QueryRowContext(context.Background(), "SELECT COUNT(*) FROM push_delivery WHERE state IN ('pending', 'sending')").Scan(&n); err != nil {
		c.t.Fatal(err)
	}
	return n
}

// arrived counts, in WeChat's own book, what each openid got by a channel.
func arrived(w *story.World, channel string) map[string]int {
	got := map[string]int{}
	for after := int64(0); ; {
		page := w.Sandbox.WeChat.Sends(after, 1000)
		if len(page) == 0 {
			return got
		}
		for _, s := range page {
			after = s.Seq
			if s.Channel == channel {
				got[s.OpenID]++
			}
		}
	}
}

func TestAPushOutlivesItsReplicaAndReachesNobodyTwice(t *testing.T) {
	t.Parallel()
	stores := story.Servers(t)
	const people = 240
	w := story.Begin(t, stores, func(o *sandbox.Options) { o.Customers, o.Followers = people+20, people })
	c := newCampaigner(t, stores.DSN)
	service, mini := templateOf(wechat.ServiceTemplate, 4), templateOf(wechat.MiniTemplate, 3)
	c.recruits(w, people, mini.ID)
	byTemplate := c.publishes(model.TemplateChannel, service, map[string]string{"thing1": "流量包", "number2": "100", "time3": "2026年2月17日 12:00", "phrase4": "已到账"})
	byMini := c.publishes(model.MiniChannel, mini, map[string]string{"thing1": "新春红包", "thing2": "还差一位", "thing3": "快去看看"})
	binary := story.Binary(t)
	doomed := w.Process(binary)
	w.Process(binary)
	w.Idle()
	for _, point := range []string{"wechat.template_send", "wechat.subscribe_send"} {
		w.Fault(point,
			faults.Fault{Kind: faults.Cut, Probability: .04}, faults.Fault{Kind: faults.Status, Status: 502, Probability: .04},
			faults.Fault{Kind: faults.ErrCode, ErrCode: -1, Probability: .04}, faults.Fault{Kind: faults.Delay, DelayMS: 30})
	}
	at := model.At(time.Now())
	d := model.Dispatch{
		Campaign: 7, Frozen: 1, Purpose: model.Transactional, Holdout: 10, StartsAt: at.Add(-time.Minute), EndsAt: at.Add(10 * time.Hour),
	}
	for i, way := range []model.Way{{Channel: model.TemplateChannel, Material: byTemplate}, {Channel: model.MiniChannel, Material: byMini}} {
		d.ID, d.Step = model.ID(100+i), model.ID(50+i)
		d.Variants = []model.Variant{{Name: "A", Share: 10_000, Ways: []model.Way{way}}}
		if n, err := c.Stage(t.Context(), d); err != nil || n != people {
			t.Fatalf("Stage = %d, %v", n, err)
		}
	}
	sent := func() int { return len(arrived(w, "template")) + len(arrived(w, "subscribe")) }
	w.Until("the push is under way", func() bool { return sent() > 60 })
	w.Sandbox.WeChat.ExpireTokens()
	w.Until("it goes on with a new token", func() bool { return sent() > 100 })
	doomed.Kill()
	// The dead one's leases end; those of the living are lost as well, but once: who loses
	// each one before he has written what became of it leaves all of it unknown.
	c.exec("UPDATE push_shard SET lease_until = 1 WHERE state = 'open' AND lease_until > 0")
	w.UntilWithin(3*time.Minute, "all came to an end", func() bool { return c.open() == 0 })
	w.Idle()
	c.compare(w, people)
}

// compare holds the rows against WeChat's own book.
func (c *campaigner) compare(w *story.World, people int) {
	c.t.Helper()
	rows, err := c.Deliveries(c.t.Context(), 7, 0, 1000)
	if err != nil || len(rows) != 2*people {
		c.t.Fatalf("%d deliveries, %v, want %d", len(rows), err, 2*people)
	}
	states, delivered := map[model.DeliveryState]int{}, 0
	books := [2]map[string]int{arrived(w, "template"), arrived(w, "subscribe")}
	for _, r := range rows {
		which := int(r.Dispatch - 100)
		n := books[which][c.openID[r.Member][which]]
		states[r.State]++
		if r.DeliveredAt != 0 {
			delivered++
		}
		switch ok := n <= 1; {
		case r.State == model.DeliverySent:
			ok = n == 1
			fallthrough
		case r.State == model.DeliveryUnknown:
			if !ok {
				c.t.Errorf("%d messages for %+v", n, r)
			}
		case n != 0 || r.State == model.DeliveryHeldOut && model.BucketOf(r.Member) >= 10:
			c.t.Errorf("%d messages for %+v", n, r)
		}
	}
	c.t.Logf("states %v, delivered %d; WeChat's book: %d by template, %d by subscribe message", states, delivered, len(books[0]), len(books[1]))
	if states[model.DeliverySent] < people || delivered == 0 {
		c.t.Errorf("states %v with %d delivered", states, delivered)
	}
}
