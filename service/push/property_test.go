package push_test

import (
	"database/sql"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
	"kaimenhong/service/push"
)

// machine is a planner on two replicas in a world that misbehaves at random.
type machine struct {
	*rig
	other   *rig
	t       *testing.T
	rt      *rapid.T
	day     model.Dispatch // marketing: window, then mini-program
	service model.Dispatch // transactional, by template
	opened  map[model.MemberID]int
	zombies []func()
	opts    push.PlannerOptions
	wrong   []string
}

// judge is asked at the begin of every call: what must never be sent.
func (m *machine) judge(k call) {
	r := m.reach[k.member]
	marketing := k.channel != model.TemplateChannel
	hour := k.at.In(model.Shanghai).Hour()
	switch {
	case model.BucketOf(k.member) < m.day.Holdout && marketing:
		m.wrong = append(m.wrong, fmt.Sprintf("%d of the holdout got a message", k.member))
	case marketing && !r.Agrees:
		m.wrong = append(m.wrong, fmt.Sprintf("%d got marketing without consent", k.member))
	case marketing && (hour < 8 || hour >= 21):
		m.wrong = append(m.wrong, fmt.Sprintf("%d got marketing at %d o'clock", k.member, hour))
	case k.channel != model.MiniChannel && !r.Follows:
		m.wrong = append(m.wrong, fmt.Sprintf("%d got %s without following", k.member, k.channel))
	}
}

// step is one random thing that happens.
func (m *machine) step() {
	switch rapid.SampledFrom([]string{"send", "send", "send", "other", "time", "jump", "answer", "consent", "act", "pause", "release", "stop", "wake"}).Draw(m.rt, "step") {
	case "send":
		m.try(m.rig)
	case "other":
		m.try(m.other)
	case "time":
		m.pass(time.Duration(rapid.IntRange(1, 900).Draw(m.rt, "minutes")) * time.Minute)
	case "jump":
		m.pass(time.Duration(rapid.SampledFrom([]int{-1, 1}).Draw(m.rt, "hours")) * time.Hour)
	case "answer":
		m.answers(rapid.SliceOfN(rapid.IntRange(0, 9), 7, 7).Draw(m.rt, "answers"))
	case "consent":
		r := m.reach[m.someone()]
		r.Agrees, r.Follows = rapid.Bool().Draw(m.rt, "agrees"), rapid.Bool().Draw(m.rt, "follows")
	case "act":
		who := m.someone()
		m.opened[who] += 5
		m.ok(m.rights.Touched(m.t.Context(), who, push.Messaged, model.At(m.clock())))
	case "pause":
		m.ok(m.Pause(m.t.Context(), 7, "x"))
		m.try(m.rig)
		m.ok(m.Resume(m.t.Context(), 7))
	case "release":
		m.ok(m.Release(m.t.Context(), 7))
	case "stop":
		m.stop()
	case "wake":
		for _, wake := range m.zombies {
			wake()
		}
		m.zombies = nil
	}
}

func (m *machine) ok(err error) {
	if err != nil {
		m.rt.Fatal(err)
	}
}

func (m *machine) try(r *rig) {
	_, err := r.SendDue(m.t.Context())
	m.ok(err)
}

func (m *machine) someone() model.MemberID {
	return rapid.SampledFrom(m.frozen).Draw(m.rt, "member")
}

// answers lets WeChat say these in turn; 0–4 is yes.
func (m *machine) answers(list []int) {
	said := []error{errLostAnswer, windowShut, noConsent, busy, minuteOver}
	n := 0
	m.mu.Lock()
	defer m.mu.Unlock()
	m.crowd.answer = func(call) error {
		n++
		if k := list[n%len(list)]; k > 4 {
			return said[k-5]
		}
		return nil
	}
}

// stop stops a worker within its calls until its lease has run out; it may wake up
// later and go on. All calls of a shard are under way at once: one that begins only
// when the worker wakes up would be sent by a plan from before it slept.
func (m *machine) stop() {
	opts := m.opts
	opts.Calls = opts.Shard
	wake, err := newRig(m.t, m.sql, m.crowd, opts).stall(m.t.Context())
	m.ok(err)
	m.zombies = append(m.zombies, func() { m.ok(wake()) })
}

// check compares the rows with what arrived.
func (m *machine) check(end bool) {
	for _, text := range m.wrong {
		m.rt.Error(text)
	}
	got := map[string]int{}
	windows, consents := map[model.MemberID]int{}, map[model.MemberID]int{}
	for _, k := range m.arrived() {
		got[fmt.Sprint(k.member, k.channel != model.TemplateChannel)]++
		switch k.channel {
		case model.CustomChannel:
			windows[k.member]++
		case model.MiniChannel:
			consents[k.member]++
		}
	}
	for key, n := range got {
		if n > 1 {
			m.rt.Errorf("member and kind %s got %d messages", key, n)
		}
	}
	for who, n := range windows {
		if n > m.opened[who] || consents[who] > 1 {
			m.rt.Errorf("%d got %d customer-service and %d subscribe messages, had %d and 1", who, n, consents[who], m.opened[who])
		}
	}
	rows, err := m.Deliveries(m.t.Context(), m.day.Campaign, 0, 1000)
	m.ok(err)
	if len(rows) != 2*len(m.frozen) {
		m.rt.Errorf("%d rows for %d recipients of two dispatches", len(rows), len(m.frozen))
	}
	for _, d := range rows {
		n := got[fmt.Sprint(d.Member, d.Dispatch == m.day.ID)]
		switch d.State {
		case model.DeliverySent:
			if n != 1 {
				m.rt.Errorf("a row is sent and %d messages arrived: %+v", n, d)
			}
		case model.DeliveryPending, model.DeliverySending:
			if end {
				m.rt.Errorf("a row is left over: %+v", d)
			}
		case model.DeliverySkipped, model.DeliveryRefused, model.DeliveryHeldOut:
			if n != 0 {
				m.rt.Errorf("a row is %s and a message arrived: %+v", d.State, d)
			}
		}
	}
}

func TestWhateverHappensNobodyGetsTwoNorWhatHeMustNot(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
		round := model.ID(0)
		ticks := model.Millis(29_000_000 * 60_000)
		rapid.Check(t, func(rt *rapid.T) {
			for _, table := range []string{"push_campaign", "push_dispatch", "push_shard", "push_delivery", "push_load", "push_quota", "push_entitlement", "push_receipt"} {
				if _, err := pool.ExecContext(t.Context(), "DELETE FROM "+table); err != nil {
					rt.Fatal(err)
				}
			}
			round++
			c := newCrowd(9)
			opts := push.PlannerOptions{Shard: 4, Chunk: 2, Calls: 2, Ticks: ticksOf(&ticks)}
			m := &machine{rig: newRig(t, pool, c, opts), other: newRig(t, pool, c, opts), t: t, rt: rt, opts: opts, opened: map[model.MemberID]int{}}
			c.began = m.judge
			for _, who := range c.frozen[:6] {
				m.opened[who] = 5
				m.ok(m.rights.Touched(t.Context(), who, push.Messaged, model.At(noon)))
				m.ok(m.rights.Grant(t.Context(), who, string(push.Mini), "T102", "g"))
			}
			m.day, m.service = dispatch(10*round, twoWays...), dispatch(10*round+1, model.Way{Channel: model.TemplateChannel, Material: 103})
			m.day.Holdout, m.day.Canary, m.day.Caps = 15, 3_000, model.Caps{Day: 1, Week: 2, Campaign: 1}
			m.service.Purpose = model.Transactional
			m.stage(t, m.day)
			m.stage(t, m.service)
			for range rapid.IntRange(3, 12).Draw(rt, "steps") {
				ticks += 61_000
				m.step()
				m.check(false)
			}
			for _, wake := range m.zombies {
				wake()
			}
			// In the end all that was not reached is told so.
			c.mu.Lock()
			c.answer = nil
			c.now = m.day.EndsAt.Time().Add(time.Second)
			c.mu.Unlock()
			m.ok(m.Release(t.Context(), 7))
			ticks += 3_600_000
			m.try(m.rig)
			m.try(m.other)
			m.check(true)
		})
	})
}
