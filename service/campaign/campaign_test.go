package campaign

import (
	"database/sql"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
	"kaimenhong/model/fault"
)

func TestWhoeverWroteOrSubmittedAPlanCannotApproveIt(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		w := newWorld(t, db)
		c, ctx := w.replica(), t.Context()
		v := must[Version](t)(c.Create(ctx, planner, plan()))
		v = must[Version](t)(c.Submit(ctx, planner, v.Campaign, 1))
		if v.State != Review || v.FrozenSize != 5000 || v.Frozen == 0 {
			t.Fatalf("submitted: %s with %d people, want review with 5000", v.State, v.FrozenSize)
		}
		for _, tt := range []struct {
			name   string
			by     model.ID
			people int64
			want   error
		}{
			{"the planner himself", planner, 5000, ErrChecker},
			{"another with a wrong count", checker, 4999, ErrCount},
			{"another with the count", checker, 5000, nil},
			{"again", checker, 5000, ErrState},
		} {
			if _, err := c.Approve(ctx, tt.by, v.Campaign, 1, tt.people); !errors.Is(err, tt.want) {
				t.Errorf("%s: Approve = %v, want %v", tt.name, err, tt.want)
			}
		}
		if want := []string{"901 campaign.create", "901 campaign.submit", "902 campaign.approve"}; !slices.Equal(w.audit, want) {
			t.Errorf("audit %v, want %v", w.audit, want)
		}
	})
}

func TestACampaignsNameIsNoFormula(t *testing.T) {
	w := newWorld(t, dbtest.SQLite(t))
	for _, name := range []string{"=1+1", "@回家", "+回家", "-回家", ""} {
		if _, err := w.replica().Create(t.Context(), planner, plan(func(p *Plan) { p.Name = name })); !errors.Is(err, ErrPlan) {
			t.Errorf("Create of %q = %v, want ErrPlan", name, err)
		}
	}
}

func TestADraftMayLeaveOutWhatIsNotDecided(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		c := newWorld(t, db).replica()
		for _, tt := range []struct {
			name string
			plan Plan
		}{
			{"a name and a goal", Plan{Name: "回家", Goal: Care}},
			{"a step without a time", Plan{Name: "回家", Goal: Care, Steps: []Step{{Name: "除夕"}}}},
			{"a step of which an event is not said", Plan{Name: "回家", Goal: Care, Steps: []Step{{When: When{Kind: OnEvent}}}}},
			{"a wording without a channel", Plan{Name: "回家", Goal: Care, Steps: []Step{{Variants: []Variant{{Name: "A"}}}}}},
			{"a channel without a material", Plan{Name: "回家", Goal: Care, Steps: []Step{{Variants: []Variant{{Name: "A", Ways: []Way{{}}}}}}}},
		} {
			v, err := c.Create(t.Context(), planner, tt.plan)
			if err != nil {
				t.Errorf("%s: Create = %v, want a draft", tt.name, err)
				continue
			}
			if _, err := c.Save(t.Context(), planner, v.Campaign, 1, v.Edits, v.Plan); err != nil {
				t.Errorf("%s: Save = %v, want the draft saved again", tt.name, err)
			}
			if _, err := c.Submit(t.Context(), planner, v.Campaign, 1); !errors.Is(err, ErrPlan) {
				t.Errorf("%s: Submit = %v, want what is missing", tt.name, err)
			}
		}
	})
}

func TestAPlanThatWasSentBackIsFrozenAnew(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		w := newWorld(t, db)
		c, ctx := w.replica(), t.Context()
		v := must[Version](t)(c.Create(ctx, planner, plan()))
		first := must[Version](t)(c.Submit(ctx, planner, v.Campaign, 1))
		if _, err := c.Save(ctx, planner, v.Campaign, 1, first.Edits, plan()); !errors.Is(err, ErrState) {
			t.Errorf("saving what is under review: %v, want %v", err, ErrState)
		}
		back := must[Version](t)(c.Reject(ctx, checker, v.Campaign, 1, "请把对照组提到10%"))
		if back.State != Draft || back.Why == "" {
			t.Errorf("sent back: %s, %q", back.State, back.Why)
		}
		w.people[everybody] = w.people[everybody][:4000]
		second := must[Version](t)(c.Submit(ctx, planner, v.Campaign, 1))
		if second.FrozenSize != 4000 || second.Frozen == first.Frozen {
			t.Errorf("submitted again: %d people, want the 4000 of now", second.FrozenSize)
		}
	})
}

func TestAPlanIsRefusedInWordsThatSayWhatToDo(t *testing.T) {
	w := newWorld(t, dbtest.SQLite(t))
	c, ctx := w.replica(), t.Context()
	step := func(change func(*Step)) func(*Plan) { return func(p *Plan) { change(&p.Steps[0]) } }
	for _, tt := range []struct {
		name   string
		change func(*Plan)
		want   string
	}{
		{"a good one", func(*Plan) {}, ""},
		{"no such segment", func(p *Plan) { p.Segment = 99 }, "没有这个人群，请重新选择"},
		{"a segment that cannot be evaluated", func(p *Plan) { p.Segment = broken }, "人群“坏人群”无法计算：引用的标签“春节”已删除"},
		{"a segment of nobody", func(p *Plan) { p.Segment = nobody }, "现在没有人"},
		{"no holdout", func(p *Plan) { p.Holdout = 0 }, "对照组应为1%到15%"},
		{"a budget below one prize", func(p *Plan) { p.Budget = 1999 }, "预算19.99元不够一个奖品（20元）"},
		{"a budget below the game's", func(p *Plan) { p.Budget = 50_000 }, "超过活动预算500元"},
		{"a kit that is not there", func(p *Plan) { p.Kit = 22 }, "没有这个组合"},
		{"no steps", func(p *Plan) { p.Steps = nil }, "至少安排一个步骤"},
		{"a step in the past", step(func(s *Step) { s.When.At = model.At(begin.Add(-time.Hour)) }), "已经过去"},
		{"a step outside", step(func(s *Step) { s.When.At = model.At(begin.AddDate(0, 0, 11)) }), "不在活动期间"},
		{"a step that its night outlasts", step(func(s *Step) { s.When.At, s.Hours = model.At(begin.Add(14*time.Hour)), 6 }), "2月9日 23:00是夜间，营销消息等到2月10日 08:00才能发，而送达时限只有6小时"},
		{"a night that outlasts the campaign", func(p *Plan) {
			p.Steps[0].When.At, p.EndsAt = model.At(begin.Add(14*time.Hour)), model.At(begin.Add(22*time.Hour))
		}, "那时活动已经结束"},
		{"a cron whose night outlasts it", step(func(s *Step) { s.When, s.Hours = When{Kind: ByCron, Cron: "0 22 * * *"}, 10 }), "一条也发不出去"},
		{"a step at night", step(func(s *Step) { s.When.At = model.At(begin.Add(14 * time.Hour)) }), ""},
		{"a cron that never fires", step(func(s *Step) { s.When = When{Kind: ByCron, Cron: "0 10 30 2 *"} }), "永远不会触发"},
		{"a cron that does not fire within", step(func(s *Step) { s.When = When{Kind: ByCron, Cron: "0 10 1 8 *"} }), "一次也不会触发"},
		{"a cron of each minute", step(func(s *Step) { s.When = When{Kind: ByCron, Cron: "* * * * *"} }), "过于频繁"},
		{"no cron", step(func(s *Step) { s.When = When{Kind: ByCron, Cron: "every day"} }), "分 时 日 月 周"},
		{"another time zone", step(func(s *Step) { s.When = When{Kind: ByCron, Cron: "CRON_TZ=UTC 0 10 * * *"} }), "分 时 日 月 周"},
		{"a marketing template", step(func(s *Step) { s.Variants[0].Ways[0].Channel = model.TemplateChannel }), "模板消息只能用于服务通知"},
		{"shares that do not sum", step(func(s *Step) { s.Variants[0].Share = 9000 }), "份额之和应为10000"},
		{"a channel twice", step(func(s *Step) { s.Variants[0].Ways[1].Channel = model.CustomChannel }), "出现了两次"},
		{"a winner of one", step(func(s *Step) { s.Winner = &Winner{TestPercent: 20, Hours: 4, MinSent: 100} }), "只有一个版本"},
		{"no days before expiry", step(func(s *Step) { s.When = When{Kind: OnEvent, Event: PackExpiry} }), "到期前的天数"},
		{"an event whose delay outlasts the campaign", step(func(s *Step) { s.When = When{Kind: OnEvent, Event: Payment, DelayMinutes: 10 * 24 * 60} }), "延迟10天，活动2月19日 09:00就结束了，一条也发不出去"},
		{"an event whose delay fits", step(func(s *Step) { s.When = When{Kind: OnEvent, Event: Payment, DelayMinutes: 9 * 24 * 60} }), ""},
		{"no such event", step(func(s *Step) { s.When = When{Kind: OnEvent, Event: "rain"} }), "请选择事件"},
		{"a condition that is not there", step(func(s *Step) { s.Condition = 99 }), "没有这个人群"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			found, err := c.Validate(ctx, plan(tt.change))
			if err != nil {
				t.Fatal(err)
			}
			if tt.want == "" {
				if len(found) > 0 {
					t.Fatalf("found %v, want nothing", found)
				}
				return
			}
			if !slices.ContainsFunc(found, func(p Problem) bool { return strings.Contains(p.Text, tt.want) }) {
				t.Fatalf("found %v, want %q", found, tt.want)
			}
			v := must[Version](t)(c.Create(ctx, planner, plan(tt.change)))
			if _, err := c.Submit(ctx, planner, v.Campaign, 1); !errors.Is(err, ErrPlan) || !strings.Contains(fault.Of(err).Text, tt.want) {
				t.Errorf("Submit = %v, want %q", err, tt.want)
			}
			if after := must[Version](t)(c.Version(ctx, v.Campaign, 1)); after.State != Draft || after.Frozen != 0 {
				t.Errorf("after a refused submission the version is %s, frozen %s", after.State, after.Frozen)
			}
		})
	}
	w.trouble = []string{"模板字段thing1没有内容，请补上"}
	if found := must[[]Problem](t)(c.Validate(ctx, plan())); len(found) != 2 || !strings.Contains(found[0].Text, "thing1") || found[1].Where != "steps[0].variants[0].ways[1].material" {
		t.Errorf("a missing field is told as %v", found)
	}
}

func TestAKitIsRefusedThatPeopleCannotUse(t *testing.T) {
	w := newWorld(t, dbtest.SQLite(t))
	c, ctx := w.replica(), t.Context()
	good := w.game
	for _, tt := range []struct {
		name string
		kit  func(*Kit)
		game func(*Game)
		want string
	}{
		{"a part that is gone", func(k *Kit) { k.Trouble = "“图文”的素材“回家”已停用" }, nil, "组合“回家”不能使用：“图文”的素材“回家”已停用，请修复或更换组合"},
		{"no part is sent", func(k *Kit) { k.Materials = []model.ID{77} }, nil, "没有用在任何步骤里"},
		{"the game was stopped", nil, func(g *Game) { g.Stopped = true }, "已停止"},
		{"the game ends first", nil, func(g *Game) { g.EndsAt = model.At(begin.AddDate(0, 0, 5)) }, "没有覆盖活动时间"},
		{"the offer is over", func(k *Kit) { k.Offer.EndsAt = model.At(begin) }, nil, "优惠“春节流量包”的兑换时间"},
		{"the offer begins later", func(k *Kit) { k.Offer.StartsAt = model.At(begin.AddDate(0, 0, 2)) }, nil, "没有覆盖活动时间"},
		{"the offer is sold out", func(k *Kit) { k.Offer.SoldOut = true }, nil, "“春节流量包”已兑完"},
		{"a pack, of which only the carrier knows when", func(k *Kit) { k.Offer = Offer{Name: "DATA10G"} }, nil, ""},
		{"no offer", func(k *Kit) { k.Offer = Offer{} }, nil, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w.kit, w.game = tt.kit, good
			if tt.game != nil {
				tt.game(&w.game)
			}
			v := must[Version](t)(c.Create(ctx, planner, plan()))
			_, err := c.Submit(ctx, planner, v.Campaign, 1)
			if tt.want == "" && err != nil || tt.want != "" && (!errors.Is(err, ErrPlan) || !strings.Contains(fault.Of(err).Text, tt.want)) {
				t.Errorf("Submit = %v (%s), want %q", err, fault.Of(err).Text, tt.want)
			}
		})
	}
	w.kit, w.game = nil, good
	w.launch(c, plan())
	if want := []model.ID{aKit}; !slices.Equal(w.used, want) {
		t.Errorf("the kits %v are used, want %v", w.used, want)
	}
}

func TestADuplicateScheduleIsImpossibleOnAnyNumberOfReplicas(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		w := newWorld(t, db)
		id := w.launch(w.replica(), plan())
		w.passes(25*time.Hour + time.Minute)
		var wg sync.WaitGroup
		for range 6 {
			c := w.replica()
			wg.Go(func() {
				for range 3 {
					if _, err := c.Advance(t.Context()); err != nil {
						t.Error(err)
					}
					if _, err := c.Stage(t.Context()); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		if len(w.staged) != 1 {
			t.Fatalf("%d dispatches, want 1", len(w.staged))
		}
		d := w.staged[0]
		if d.Campaign != id || d.Holdout != 10 || d.Canary != 100 || len(d.Variants) != 1 || d.EndsAt != d.StartsAt.Add(48*time.Hour) {
			t.Errorf("dispatched %+v", d)
		}
		w.state(w.replica(), id, Canary)
	})
}

func TestTimesFollowTheLastRecordedOneWhateverTheClockDoes(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		daily := func(late Late) Plan {
			return plan(func(p *Plan) {
				p.Steps[0].Late, p.Steps[0].Hours = late, 20
				p.Steps[0].When = When{Kind: ByCron, Cron: "0 10 * * *"}
			})
		}
		t.Run("an hour back and forth", func(t *testing.T) {
			w := newWorld(t, db)
			c := w.replica()
			id := w.launch(c, daily(LateOnce))
			for _, jump := range []time.Duration{time.Hour + time.Minute, -time.Hour, time.Hour, -2 * time.Hour, 2*time.Hour + time.Minute, 24 * time.Hour, -time.Hour, time.Hour} {
				w.passes(jump)
				w.round(c)
			}
			if got := times(t, c, id); !slices.Equal(got, []string{"02-10 10:00 staged", "02-09 10:00 staged"}) {
				t.Errorf("pushes %v", got)
			}
		})
		t.Run("three days down, caught up once", func(t *testing.T) {
			w := newWorld(t, db)
			c := w.replica()
			id := w.launch(c, daily(LateOnce))
			w.passes(3*24*time.Hour + 2*time.Hour)
			w.round(c)
			if got := times(t, c, id); !slices.Equal(got, []string{"02-12 10:00 staged after 3"}) {
				t.Errorf("pushes %v", got)
			}
		})
		t.Run("three days down, skipped", func(t *testing.T) {
			w := newWorld(t, db)
			c := w.replica()
			id := w.launch(c, daily(LateSkip))
			w.passes(3*24*time.Hour + 2*time.Hour)
			w.round(c)
			w.passes(23*time.Hour + time.Minute)
			w.round(c)
			if got := times(t, c, id); !slices.Equal(got, []string{"02-13 10:00 staged", "02-12 10:00 skipped after 3"}) {
				t.Errorf("pushes %v", got)
			}
		})
	})
}

func times(t *testing.T, c *Campaigns, id model.ID) (all []string) {
	t.Helper()
	for _, o := range must[[]Occurrence](t)(c.Occurrences(t.Context(), id)) {
		said := o.ScheduledFor.Time().Format("01-02 15:04") + " " + o.State
		if o.Missed > 0 {
			said += " after " + model.ID(o.Missed).String()
		}
		all = append(all, said)
	}
	return all
}
