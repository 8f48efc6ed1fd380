package story_test

import (
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"kaimenhong/cmd/internal/app/story"
	"kaimenhong/model"
	"kaimenhong/sandbox/faults"
	"kaimenhong/sandbox/wechat"
	"kaimenhong/service/operator"
	"kaimenhong/service/redpacket"
)

// progressTemplate is the subscribe template of envelopes in the sandbox.
func progressTemplate(t *testing.T, w *story.World) string {
	t.Helper()
	list := w.Sandbox.WeChat.Templates()
	i := slices.IndexFunc(list, func(x wechat.Template) bool { return x.Kind == wechat.MiniTemplate && x.Title == "红包进度提醒" })
	if i < 0 {
		t.Fatal("the sandbox has no template for envelopes")
	}
	return list[i].ID
}

func TestAnOwnerIsRemindedAndToldOfTheEndOnce(t *testing.T) {
	story.Everywhere(t, func(t *testing.T, s story.Stores) {
		w := story.Begin(t, s)
		r := w.Replica()
		game := r.Plays(w.Envelope("回家", nil))[0]
		zhang := w.Person("ordinary")
		owner := zhang.Whole()
		friend := w.Players("family")[0]
		pot := owner.OpensPot(game)
		friend.Helps(pot).Is(http.StatusCreated)
		zhang.Gets("第一位好友为您助力", "还差2位")
		w.Passes(22*time.Hour + time.Minute)
		var reminding sync.WaitGroup
		for range 4 { // at once, and beside the job
			reminding.Go(func() {
				if seen, err := r.App().Remind(t.Context()); err != nil || seen != 1 {
					t.Errorf("Remind = %d, %v, want the one pot that ends in two hours", seen, err)
				}
			})
		}
		reminding.Wait()
		zhang.Gets("还差2位好友助力就凑满9元话费")
		w.Passes(2 * time.Hour)
		owner.SignsIn()
		w.Until("the pot is closed", func() bool { return owner.Sees(pot).Text("status") == "closed" })
		w.Settle()
		zhang.Gets("红包到时间了，1位好友助力", "没有奖品")
		proven(t, r)
	})
}

func TestWhoHasNoWindowIsReachedByTheMessageThatHeSubscribedTo(t *testing.T) {
	story.Everywhere(t, func(t *testing.T, s story.Stores) {
		w := story.Begin(t, s)
		template := progressTemplate(t, w)
		w.Settings["WECHAT_REDPACKET_TEMPLATE"] = template
		r := w.Replica()
		game := r.Plays(w.Envelope("回家", func(r *redpacket.Rules) { r.Helps = 2 }))[0]
		people := w.Players("student", "family", "senior")
		owner, zhou := people[0], w.Person("student")
		if err := w.Sandbox.WeChat.Subscribe(zhou.ID, wechat.Grant{Templates: []string{template}}); err != nil {
			t.Fatal(err)
		}
		owner.Do("POST", "/subscriptions", story.Key(), map[string]any{"templates": []string{template}}).Is(http.StatusNoContent)
		pot := owner.OpensPot(game)
		people[1].Helps(pot).Is(http.StatusCreated)
		zhou.Gets("《回家》红包", "还差1位") // one consent is one message
		people[2].Helps(pot).Is(http.StatusCreated)
		owner.Wins(pot, "paid")
		w.Settle()
		if heard := zhou.Heard(); len(heard) != 1 || heard[0].Channel != "subscribe" {
			t.Errorf("one consent brought %+v, want one subscribe message", heard)
		}
		proven(t, r)
	})
}

func TestAMomentThatMayHaveBeenToldIsNotToldAgain(t *testing.T) {
	story.Everywhere(t, func(t *testing.T, s story.Stores) {
		w := story.Begin(t, s)
		r := w.Replica()
		game := r.Plays(w.Envelope("回家", func(r *redpacket.Rules) { r.Helps = 2 }))[0]
		zhang := w.Person("ordinary")
		owner := zhang.Whole()
		friends := w.Players("family", "student")
		pot := owner.OpensPot(game)
		friends[0].Helps(pot).Is(http.StatusCreated)
		zhang.Gets("还差1位好友")
		w.Fault("wechat.custom_send", faults.Fault{Kind: faults.Cut}) // it arrives, and its answer is lost
		friends[1].Helps(pot).Is(http.StatusCreated)
		zhang.Gets("红包凑满啦")
		owner.Wins(pot, "paid")
		w.Fault("wechat.custom_send")
		w.Passes(5 * time.Minute) // every lease has ended
		w.Settle()
		zhang.Gets("红包凑满啦")
		if n := r.Metric("push_messages_total", `outcome="unknown"`); n < 1 {
			t.Errorf("%v messages are counted as unknown, want those whose answer was lost", n)
		}
	})
}

func TestAWinnerWithoutANumberIsAskedForIt(t *testing.T) {
	w := story.Begin(t, story.Embedded(t))
	r := w.Replica()
	game := r.Plays(w.Envelope("回家", func(r *redpacket.Rules) { r.Helps, r.Open.Bound = 1, false }))[0]
	zhang := w.Person("ordinary").Follows()
	w.Settle() // WeChat was asked who he is
	owner := zhang.Opens().SignsIn()
	pot := owner.OpensPot(game)
	w.Players("family")[0].Helps(pot).Is(http.StatusCreated)
	zhang.Gets("红包凑满啦！9元话费绑定手机号后发放", "发送“绑定”")
	w.Until("the prize waits for his number", func() bool { return owner.Sees(pot).Value("prize.needBind") == true })
	zhang.Says("绑定" + zhang.Phone).Hears("验证码短信已发到")
	zhang.Says(zhang.Code()).Hears("绑定成功")
	owner.Wins(pot, "paid") // at once, not when it is looked at again
	proven(t, r)
}

func TestAWinnerWhoBecomesOneWithANumberHasHisPrizeAtOnce(t *testing.T) {
	w := story.Begin(t, story.Embedded(t))
	r := w.Replica()
	game := r.Plays(w.Envelope("回家", func(r *redpacket.Rules) { r.Helps, r.Open.Bound = 1, false }))[0]
	zhang := w.Person("ordinary")
	owner := zhang.Opens().SignsIn() // WeChat has not said yet who he is in the chat
	pot := owner.OpensPot(game)
	w.Players("family")[0].Helps(pot).Is(http.StatusCreated)
	w.Until("the prize waits for his number", func() bool { return owner.Sees(pot).Value("prize.needBind") == true })
	zhang.Bound()
	owner.Wins(pot, "paid")
	proven(t, r)
}

func TestWhatIsStoppedAsksNobodyToFindFriends(t *testing.T) {
	w := story.Begin(t, story.Embedded(t))
	r := w.Replica()
	game := r.Plays(w.Envelope("回家", nil))[0]
	zhang := w.Person("ordinary")
	owner := zhang.Whole()
	pot := owner.OpensPot(game)
	w.Operator("zhao", operator.Reviewer).Does("POST", "/games/"+game+"/stop", map[string]string{"why": "投诉太多"}, http.StatusNoContent)
	zhang.Says("红包").Gets("已有0位好友助力。活动已暂停")
	if owner.Sees(pot).Value("stopped") != true {
		t.Errorf("the pot of a stopped game is shown as %s, want it said, for nothing is passed on then", owner.Sees(pot).Raw)
	}
	w.Passes(22*time.Hour + time.Minute)
	remind := func() {
		t.Helper()
		if seen, err := r.App().Remind(t.Context()); err != nil || seen != 1 {
			t.Errorf("Remind = %d, %v, want the one pot that ends in two hours", seen, err)
		}
	}
	remind()
	for _, heard := range zhang.Heard() {
		if strings.Contains(heard.Text, "截止") {
			t.Errorf("while the game is stopped he is told %q", heard.Text)
		}
	}
	zhang.Says("红包") // who was quiet for a day is written to again
	w.Operator("wang", operator.Planner).Does("POST", "/games/"+game+"/resume", nil, http.StatusNoContent)
	remind()
	zhang.Gets("还差3位好友助力就凑满9元话费")
	if shown := owner.SignsIn().Sees(pot); shown.Value("stopped") != false {
		t.Errorf("the pot of a game that goes on is shown as %s", shown.Raw)
	}
}

func TestAPotOfFewHoursIsRemindedHalfWay(t *testing.T) {
	story.Everywhere(t, func(t *testing.T, s story.Stores) {
		w := story.Begin(t, s)
		r := w.Replica()
		games := r.Plays(
			w.Envelope("一小时", func(r *redpacket.Rules) { r.Title, r.PotHours = "一小时红包", 1 }),
			w.Envelope("两小时", func(r *redpacket.Rules) { r.Title, r.PotHours = "两小时红包", 2 }),
		)
		zhang := w.Person("ordinary")
		owner := zhang.Whole()
		remind := func(want int) {
			t.Helper()
			if seen, err := r.App().Remind(t.Context()); err != nil || seen != want {
				t.Errorf("Remind = %d, %v, want %d pots", seen, err, want)
			}
		}
		for _, game := range games {
			owner.OpensPot(game)
		}
		w.Passes(time.Minute)
		remind(0) // whoever has just opened one knows
		w.Passes(30 * time.Minute)
		remind(1)
		zhang.Gets("一小时红包", "还差3位好友助力就凑满9元话费")
		w.Passes(30 * time.Minute)
		remind(1)
		zhang.Gets("两小时红包", "还差3位好友助力就凑满9元话费")
	})
}

func TestTheChatTellsOfTheEnvelopeThatIsStillOpen(t *testing.T) {
	w := story.Begin(t, story.Embedded(t))
	r := w.Replica()
	games := r.Plays(
		w.Envelope("慢的", func(r *redpacket.Rules) { r.Title = "慢的红包" }),
		w.Envelope("快的", func(r *redpacket.Rules) { r.Title, r.Helps = "快的红包", 1 }),
	)
	zhang := w.Person("ordinary")
	owner := zhang.Whole()
	owner.OpensPot(games[0])
	w.Passes(time.Second)
	quick := owner.OpensPot(games[1])
	zhang.Says("红包").Gets("快的红包", "还差1位")
	w.Players("family")[0].Helps(quick).Is(http.StatusCreated)
	owner.Wins(quick, "paid")
	zhang.Says("红包").Gets("慢的红包", "已有0位好友助力，还差3位")
}

func TestEveryHelperIsThanked(t *testing.T) {
	story.Everywhere(t, func(t *testing.T, s story.Stores) {
		const helps = 120
		w := story.Begin(t, s)
		r := w.Replica()
		game := r.Plays(w.Envelope("大家", func(r *redpacket.Rules) { r.Helps, r.Help.Bound = helps, false }))[0]
		owner := w.Players("ordinary")[0]
		pot := owner.OpensPot(game)
		id, err := model.ParseID(pot)
		if err != nil {
			t.Fatal(err)
		}
		for friend := range model.MemberID(helps) {
			in := redpacket.HelpRequest{Pot: redpacket.PotID(id), Who: redpacket.Visitor{Member: model.Member{ID: friend + 1}}, Request: "help"}
			if _, err := r.App().Redpacket().Help(t.Context(), in); err != nil {
				t.Fatal(err)
			}
		}
		owner.Wins(pot, "paid")
		w.Until("everybody is thanked", func() bool {
			return w.Count("SELECT id FROM push_message WHERE topic = 'redpacket.helped_filled'") == helps
		})
		proven(t, r)
	})
}

func TestLastYearsEnvelopeDoesNotHideThisYears(t *testing.T) {
	w := story.Begin(t, story.Embedded(t))
	r := w.Replica()
	last := r.Plays(w.Envelope("去年", func(r *redpacket.Rules) { r.Title, r.EndsAt = "去年红包", r.StartsAt.Add(3*time.Hour) }))[0]
	zhang := w.Person("ordinary")
	owner := zhang.Whole()
	pot := owner.OpensPot(last)
	w.Passes(3 * time.Hour)
	owner.SignsIn()
	w.Until("the pot is closed", func() bool { return owner.Sees(pot).Text("status") == "closed" })
	zhang.Says("红包").Gets("去年红包", "已截止")
	r.Plays(w.Envelope("今年", func(r *redpacket.Rules) { r.Title = "今年红包" }))
	zhang.Says("红包").Gets("今年红包", "正在进行")
}

func TestTheChatTellsOfTheEnvelopeAndLeadsToTheMiniProgramAlone(t *testing.T) {
	story.Everywhere(t, func(t *testing.T, s story.Stores) {
		w := story.Begin(t, s)
		r := w.Replica()
		zhang := w.Person("ordinary")
		owner := zhang.Whole()
		zhang.Says("红包").Hears("没有进行中的红包活动")
		game := r.Plays(w.Envelope("回家", nil))[0]
		zhang.Says("抢红包")
		leads(t, zhang, "正在进行", "pages/redpacket/index")
		pot := owner.OpensPot(game)
		w.Players("family")[0].Helps(pot).Is(http.StatusCreated)
		zhang.Gets("第一位好友为您助力")
		for _, words := range []string{"我的红包", "红包还差几个人"} {
			zhang.Says(words)
			leads(t, zhang, "已有1位好友助力，还差2位，凑满得9元话费", "pages/redpacket/index?pot="+pot)
		}
	})
}

// leads fails unless the answer says so and leads to the page, as does the card that
// follows, and to no web page.
func leads(t *testing.T, p *story.Person, words, page string) {
	t.Helper()
	p.Gets(words)
	p.GetsCard(page)
	for _, heard := range p.Heard() {
		for _, span := range heard.Spans {
			if span.Href != "" {
				t.Errorf("the answer leads to the web page %s", span.Href)
			}
			if span.AppID != "" && span.Page != page {
				t.Errorf("the answer leads to %s, want %s", span.Page, page)
			}
		}
	}
}
