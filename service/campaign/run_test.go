package campaign

import (
	"cmp"
	"database/sql"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
	"kaimenhong/model/fault"
)

// becomes says what became of the deliveries of the last dispatch.
func (w *world) becomes(rows ...Tally) {
	w.mu.Lock()
	defer w.mu.Unlock()
	d := w.staged[len(w.staged)-1]
	w.tally = slices.DeleteFunc(w.tally, func(t Tally) bool { return t.Dispatch == d.ID })
	for _, r := range rows {
		r.Dispatch, r.Step = d.ID, cmp.Or(r.Step, d.Step)
		w.tally = append(w.tally, r)
	}
}

func TestACanaryIsWatchedBeforeTheOthersFollow(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		for _, tt := range []struct {
			name  string
			tally []Tally
			want  State
			told  []string
		}{
			{"all is well", []Tally{{State: model.DeliverySent, N: 48}, {State: model.DeliveryRefused, N: 2}, {State: model.DeliveryPending, N: 4950}}, Running, []string{"release"}},
			{"one in ten fails", []Tally{{State: model.DeliverySent, N: 40}, {State: model.DeliveryUnknown, N: 10}, {State: model.DeliveryPending, N: 4950}}, Paused, []string{"pause"}},
			{"two of three fail, which says little", []Tally{{State: model.DeliverySent, N: 1}, {State: model.DeliveryRefused, N: 2}, {State: model.DeliveryPending, N: 4950}}, Running, []string{"release"}},
			{"nobody was tried yet", []Tally{{State: model.DeliveryPending, N: 5000}}, Canary, nil},
		} {
			t.Run(tt.name, func(t *testing.T) {
				w := newWorld(t, db)
				c := w.replica()
				id := w.launch(c, plan())
				w.passes(25*time.Hour + time.Minute)
				w.round(c)
				w.becomes(tt.tally...)
				w.passes(9 * time.Minute)
				w.round(c)
				w.state(c, id, Canary)
				w.passes(2 * time.Minute)
				w.round(c)
				w.state(c, id, tt.want)
				if !slices.Equal(w.told, tt.told) {
					t.Errorf("the pushes were told %v, want %v", w.told, tt.told)
				}
			})
		}
	})
}

func TestACanaryThatWaitsIsWatchedFromItsFirstTry(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		w := newWorld(t, db)
		c := w.replica()
		id := w.launch(c, plan())
		w.passes(25*time.Hour + time.Minute)
		w.round(c)
		w.becomes(Tally{State: model.DeliveryPending, N: 5000})
		for range 11 { // a night
			w.passes(time.Hour)
			w.round(c)
		}
		w.becomes(Tally{State: model.DeliverySent, N: 50}, Tally{State: model.DeliveryPending, N: 4950})
		for minute := range 9 {
			w.passes(time.Minute)
			w.round(c)
			if got := must[Campaign](t)(c.Get(t.Context(), id)).State; got != Canary {
				t.Fatalf("%d minutes after its first try the canary is %s", minute+1, got)
			}
		}
		w.passes(2 * time.Minute)
		w.round(c)
		w.state(c, id, Running)
	})
}

func TestPauseResumeAndKillReachThePushesAtOnce(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		w := newWorld(t, db)
		c, ctx := w.replica(), t.Context()
		id := w.launch(c, plan())
		next := must[Version](t)(c.Revise(ctx, planner, id))
		if _, err := c.Pause(ctx, planner, id, " "); !errors.Is(err, ErrWhy) {
			t.Errorf("Pause without a reason = %v, want %v", err, ErrWhy)
		}
		must[Campaign](t)(c.Pause(ctx, planner, id, "素材有误"))
		w.passes(25*time.Hour + time.Minute)
		w.round(c)
		if len(w.staged) != 0 {
			t.Fatalf("a paused campaign pushed %v", w.staged)
		}
		must[Campaign](t)(c.Resume(ctx, planner, id))
		w.state(c, id, Scheduled)
		w.round(c)
		w.state(c, id, Canary)
		must[Campaign](t)(c.Release(ctx, planner, id))
		must[Campaign](t)(c.Kill(ctx, planner, id, "投诉过多"))
		w.state(c, id, Stopped)
		for name, act := range map[string]func() (Campaign, error){
			"resume": func() (Campaign, error) { return c.Resume(ctx, planner, id) },
			"pause":  func() (Campaign, error) { return c.Pause(ctx, planner, id, "再停一下") },
			"kill":   func() (Campaign, error) { return c.Kill(ctx, planner, id, "再停一下") },
		} {
			if _, err := act(); !errors.Is(err, ErrState) || !strings.Contains(fault.Of(err).Text, "活动已经终止") {
				t.Errorf("%s of a stopped one = %v, want %v", name, err, ErrState)
			}
		}
		if _, err := c.Submit(ctx, planner, id, next.Version); !errors.Is(err, ErrState) {
			t.Errorf("another version of a stopped one is submitted: %v, want %v", err, ErrState)
		}
		if want := []string{"pause", "resume", "release", "kill"}; !slices.Equal(w.told, want) {
			t.Errorf("the pushes were told %v, want %v", w.told, want)
		}
	})
}

func TestALaterVersionChangesALiveCampaignAndPushesNothingTwice(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		w := newWorld(t, db)
		c, ctx := w.replica(), t.Context()
		id := w.launch(c, plan())
		w.passes(25*time.Hour + time.Minute)
		w.round(c)
		v := must[Version](t)(c.Revise(ctx, planner, id))
		if _, err := c.Revise(ctx, planner, id); !errors.Is(err, ErrState) {
			t.Errorf("a second draft = %v, want %v", err, ErrState)
		}
		moved := v.Plan
		moved.Steps = slices.Clone(v.Plan.Steps)
		moved.Steps[0].When.At = model.At(begin.Add(49 * time.Hour))
		v = must[Version](t)(c.Save(ctx, planner, id, 2, v.Edits, moved))
		if _, err := c.Submit(ctx, planner, id, 2); !errors.Is(err, ErrPlan) || !strings.Contains(fault.Of(err).Text, "已经推送过") {
			t.Errorf("moving a step that was pushed = %v, want %v", err, ErrPlan)
		}
		more := plan()
		more.Steps[0] = must[Version](t)(c.Version(ctx, id, 1)).Plan.Steps[0]
		second := plan().Steps[0]
		second.Name, second.When.At = "初五提醒", model.At(begin.Add(49*time.Hour))
		more.Steps = append(more.Steps, second)
		must[Version](t)(c.Save(ctx, planner, id, 2, v.Edits, more))
		v = must[Version](t)(c.Submit(ctx, planner, id, 2))
		if _, err := c.Schedule(ctx, planner, id, 2); !errors.Is(err, ErrState) {
			t.Errorf("scheduling what nobody checked = %v, want %v", err, ErrState)
		}
		must[Version](t)(c.Approve(ctx, checker, id, 2, v.FrozenSize))
		must[Campaign](t)(c.Schedule(ctx, planner, id, 2))
		w.state(c, id, Canary)
		w.round(c)
		w.passes(24 * time.Hour)
		w.round(c)
		if got := times(t, c, id); !slices.Equal(got, []string{"02-11 10:00 staged", "02-10 10:00 staged"}) {
			t.Errorf("pushes %v", got)
		}
		if old := must[Version](t)(c.Version(ctx, id, 1)); old.State != Old {
			t.Errorf("version 1 is %s, want old", old.State)
		}
	})
}

func TestWhatHappensToAMemberBringsOnePush(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		w := newWorld(t, db)
		c := w.replica()
		w.launch(c, plan(func(p *Plan) {
			p.Steps[0].When = When{Kind: OnEvent, Event: DataLow, DelayMinutes: 30}
			p.Steps[0].Condition = some
		}))
		w.happens = map[model.MemberID]string{7: "2026-02", 8: "2026-02", 4999: "2026-02"}
		for range 5 {
			w.passes(time.Hour)
			w.round(c)
		}
		if len(w.staged) != 1 || !slices.Equal(w.frozen[w.staged[0].Frozen], []model.MemberID{7, 4999}) {
			t.Fatalf("pushed %+v, want one to the two who meet the condition", w.staged)
		}
		w.passes(24 * time.Hour)
		w.round(c)
		w.happens[9] = "2026-02"
		w.passes(24 * time.Hour)
		w.round(c)
		w.passes(time.Hour)
		w.round(c)
		if len(w.staged) != 2 || !slices.Equal(w.frozen[w.staged[1].Frozen], []model.MemberID{9}) {
			t.Errorf("the day after %+v, want one more to the one who is new", w.staged[1:])
		}
	})
}

func TestWhoeverJoinsASegmentLaterIsGreetedOnce(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		w := newWorld(t, db)
		c := w.replica()
		w.launch(c, plan(func(p *Plan) { p.Steps[0].When = When{Kind: OnEvent, Event: JoinedSegment} }))
		w.passes(2 * time.Hour)
		w.round(c)
		w.people[everybody] = append(w.people[everybody], 6001, 6002)
		for range 4 {
			w.passes(time.Hour)
			w.round(c)
		}
		if len(w.staged) != 1 || !slices.Equal(w.frozen[w.staged[0].Frozen], []model.MemberID{6001, 6002}) {
			t.Errorf("pushed %+v, want one to the two who joined", w.staged)
		}
	})
}

func TestAFailedStageIsTriedAgainAndACampaignEnds(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		w := newWorld(t, db)
		c := w.replica()
		id := w.launch(c, plan())
		w.passes(25*time.Hour + time.Minute)
		w.stageFail = errDown
		w.round(c)
		w.round(c)
		w.stageFail = nil
		w.passes(time.Minute)
		w.round(c)
		if len(w.staged) != 1 {
			t.Fatalf("%d dispatches, want 1 after the failure", len(w.staged))
		}
		w.becomes(Tally{State: model.DeliverySent, N: 4500}, Tally{State: model.DeliveryHeldOut, N: 500})
		w.passes(11 * time.Minute)
		w.round(c)
		w.passes(time.Minute)
		w.round(c)
		w.state(c, id, Finished)
		copied := must[Version](t)(c.Copy(t.Context(), planner, id, "元宵"))
		if copied.State != Draft || copied.Plan.Name != "元宵" || copied.Plan.Steps[0].ID == w.staged[0].Step {
			t.Errorf("the copy is %+v", copied)
		}
	})
}

func TestCronIsSaidInChineseWithItsNextTimes(t *testing.T) {
	for spec, want := range map[string]string{
		"0 10 * * *":     "每天10:00（北京时间）",
		"30 9 * * 1,3":   "每周一、周三09:30（北京时间）",
		"0 8 1,15 * *":   "每月1日、15日08:00（北京时间）",
		"0 9,18 * * *":   "每天09:00、18:00（北京时间）",
		"0 12 17 2 *":    "每年2月17日12:00（北京时间）",
		"0 9-18 * * 1-5": "每周一到周五9点到18点的第0分（北京时间）",
		"0 10 * * MON":   "每周一10:00（北京时间）",
		"0 20 * 1-2 *":   "每年1月到2月的每天20:00（北京时间）",
		"0 */2 * * *":    "每天任意钟点每2个小时的第0分（北京时间）",
		"15 10 1 * 0":    "每月1日或周日10:15（北京时间）",
	} {
		if got := cronWords(spec); got != want {
			t.Errorf("%s is said %q, want %q", spec, got, want)
		}
	}
	c := newWorld(t, dbtest.SQLite(t)).replica()
	got := must[Times](t)(c.NextTimes(t.Context(), "0 10 * * *"))
	if len(got.Next) != 5 || got.Next[0] != model.At(begin.Add(time.Hour)) || got.Next[4] != model.At(begin.Add(97*time.Hour)) {
		t.Errorf("next times %v", got.Next)
	}
}

func TestAPlanSaysHowManyMessagesAMemberGets(t *testing.T) {
	for _, tt := range []struct {
		plan Caps
		ours model.Caps
		want string
	}{
		{Caps{}, model.Caps{}, "每人收到的营销消息不设上限。"},
		{Caps{}, model.Caps{Day: 3, Week: 10}, "每人收到的营销消息每天最多3条（各活动合计）、七天最多10条（各活动合计）。"},
		{Caps{Day: 1, Week: 20, Campaign: 2}, model.Caps{Day: 3, Week: 10}, "每人收到的营销消息每天最多1条（各活动合计）、七天最多10条（各活动合计）、本活动最多2条。"},
		{Caps{Campaign: 4}, model.Caps{}, "每人收到的营销消息本活动最多4条。"},
	} {
		c := newWorld(t, dbtest.SQLite(t)).replica()
		c.opts.Caps = tt.ours
		said := must[Explanation](t)(c.Explain(t.Context(), plan(func(p *Plan) { p.Caps = tt.plan }))).Summary
		if !strings.HasSuffix(said, tt.want) {
			t.Errorf("caps %+v within %+v are said %q, want %q", tt.plan, tt.ours, said, tt.want)
		}
		served := must[Explanation](t)(c.Explain(t.Context(), plan(func(p *Plan) { p.Caps, p.Steps[0].Purpose = tt.plan, model.Transactional }))).Summary
		if strings.Contains(served, "营销消息") {
			t.Errorf("a plan of service notices is said %q, without caps", served)
		}
	}
}

func TestATimeOfAnotherYearHasIt(t *testing.T) {
	c := newWorld(t, dbtest.SQLite(t)).replica() // in February 2026
	far := plan(func(p *Plan) { p.EndsAt = p.EndsAt.Add(330 * 24 * time.Hour) })
	if said, want := must[Explanation](t)(c.Explain(t.Context(), far)).Summary, "从2月9日 10:00到2027年1月15日 09:00，"; !strings.Contains(said, want) {
		t.Errorf("a plan into the next year is said %q, want %q in it", said, want)
	}
}

func TestAPlanIsSaidInOneReading(t *testing.T) {
	c := newWorld(t, dbtest.SQLite(t)).replica()
	e := must[Explanation](t)(c.Explain(t.Context(), plan()))
	if want := "活动“回家”（目标：增收）从2月9日 10:00到2月19日 09:00，面向人群“高价值”：选出近3个月平均ARPU不低于50元的人。现有5000人，其中随机10%（约500人）作为对照组，不会收到任何消息。组合为“回家”：1份素材、游戏“春节众筹红包”、优惠“春节流量包”。奖品预算2000元。每人收到的营销消息不设上限。"; e.Summary != want {
		t.Errorf("summary %q, want %q", e.Summary, want)
	}
	if want := "第1步“除夕图文”：2月10日 10:00，发送营销消息，依次尝试客服消息、小程序订阅消息；48小时内未送达的不再发送；错过时间则补发一次。"; e.Steps[0].Words != want {
		t.Errorf("step %q, want %q", e.Steps[0].Words, want)
	}
	one := must[Explanation](t)(c.Explain(t.Context(), plan(func(p *Plan) { p.Steps[0].Variants[0].Ways = p.Steps[0].Variants[0].Ways[:1] })))
	if got := one.Steps[0].Words; !strings.Contains(got, "，通过客服消息；") {
		t.Errorf("a step with one channel is said as %q", got)
	}
	late := must[Explanation](t)(c.Explain(t.Context(), plan(func(p *Plan) { p.Steps[0].When = When{Kind: OnEvent, Event: Payment, DelayMinutes: 3 * 24 * 60} })))
	if got := late.Steps[0].Words; !strings.Contains(got, "付费后，再过3天") || !strings.Contains(got, "；2月16日 09:00以后发生的，到时活动已结束，不再发送") {
		t.Errorf("a step that waits is said as %q", got)
	}
	for _, tt := range []struct {
		purpose model.Purpose
		when    When
		want    string
	}{
		{model.Marketing, When{Kind: AtInstant, At: model.At(begin.Add(14 * time.Hour))}, "2月9日 23:00在夜间，营销消息从2月10日 08:00起发送。"},
		{model.Marketing, When{Kind: ByCron, Cron: "0 7 10 * *"}, "2月10日 07:00在夜间，营销消息从2月10日 08:00起发送。"},
		{model.Marketing, When{Kind: ByCron, Cron: "0 8 * * *"}, ""},
		{model.Transactional, When{Kind: AtInstant, At: model.At(begin.Add(14 * time.Hour))}, ""},
	} {
		e := must[Explanation](t)(c.Explain(t.Context(), plan(func(p *Plan) { p.Steps[0].Purpose, p.Steps[0].When = tt.purpose, tt.when })))
		if got := e.Steps[0].Words; strings.Contains(got, "夜间") != (tt.want != "") || !strings.HasSuffix(got, tt.want) {
			t.Errorf("%s at %+v is said as %q, want it to end with %q", tt.purpose, tt.when, got, tt.want)
		}
	}
}

func TestProgressSaysThatTheNightIsWaitedFor(t *testing.T) {
	w := newWorld(t, dbtest.SQLite(t))
	c := w.replica()
	id := w.launch(c, plan())
	w.passes(25*time.Hour + time.Minute) // the step's time, 10:01
	w.round(c)
	step := must[Progress](t)(c.Progress(t.Context(), id)).Next[0].Step
	const asleep = "现在是夜间，等待中的从2月11日 08:00起发送。"
	for _, tt := range []struct {
		name  string
		after time.Duration
		count Tally
		want  bool
	}{
		{"somebody waits by day", 0, Tally{Step: step, State: model.DeliveryPending, N: 3}, false},
		{"somebody waits at night", 12 * time.Hour, Tally{Step: step, State: model.DeliveryPending, N: 3}, true},
		{"of another step", 0, Tally{Step: step + 1, State: model.DeliveryPending, N: 3}, false},
		{"all were reached", 0, Tally{Step: step, State: model.DeliverySent, N: 3}, false},
	} {
		w.passes(tt.after)
		w.becomes(tt.count)
		if words := must[Progress](t)(c.Progress(t.Context(), id)).Next[0].Words; strings.Contains(words, asleep) != tt.want {
			t.Errorf("%s: the step is said as %q", tt.name, words)
		}
	}
}

func FuzzCronWords(f *testing.F) {
	for _, seed := range []string{"0 10 * * *", "*/5 1-2/3 ? JAN,12 SUN-7", "- , / * *", "99 99 99 99 99"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, spec string) {
		if words := cronWords(spec); spec != "" && words == "" {
			t.Errorf("%q is said with no word", spec)
		}
	})
}

func TestACampaignThatAPauseOutlastsIsFinished(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		w := newWorld(t, db)
		c, ctx := w.replica(), t.Context()
		id := w.launch(c, plan())
		w.passes(25*time.Hour + time.Minute)
		if _, err := c.Advance(ctx); err != nil {
			t.Fatal(err)
		}
		must[Campaign](t)(c.Pause(ctx, planner, id, "等批复"))
		w.passes(9 * 24 * time.Hour) // an hour after its end
		w.round(c)
		w.state(c, id, Paused) // it may be made longer
		w.passes(24 * time.Hour)
		w.round(c)
		w.state(c, id, Finished)
		found := must[Campaign](t)(c.Get(ctx, id))
		all := must[[]Occurrence](t)(c.Occurrences(ctx, id))
		if !strings.Contains(found.Why, "仍在暂停") || len(all) != 1 || all[0].State != skipped || !strings.Contains(all[0].Why, "暂停") {
			t.Errorf("it says %q of itself and %+v of its push, want that a pause outlasted both", found.Why, all)
		}
	})
}

// Nothing of a campaign that was stopped waits any more, and its progress does not say so.
func TestWhatIsDueIsSkippedWithItsCampaign(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		w := newWorld(t, db)
		c, ctx := w.replica(), t.Context()
		id := w.launch(c, plan(func(p *Plan) { p.Steps[0].When = When{Kind: ByCron, Cron: "0 10 * * *"} }))
		w.passes(time.Hour + time.Minute)
		w.stageFail = errDown
		w.round(c)
		must[Campaign](t)(c.Kill(ctx, checker, id, "不做了"))
		w.stageFail = nil
		w.passes(time.Minute)
		w.round(c)
		p := must[Progress](t)(c.Progress(ctx, id))
		if got := p.Occurrences; len(got) != 1 || got[0].State != skipped || got[0].Why != "活动已终止" || len(w.staged) != 0 {
			t.Errorf("the progress of a stopped campaign tells %+v and %d dispatches, want one push skipped", got, len(w.staged))
		}
		if next := p.Next[0].Next; len(next) != 0 {
			t.Errorf("the next times of a stopped campaign are %v, want none", next)
		}
	})
}
