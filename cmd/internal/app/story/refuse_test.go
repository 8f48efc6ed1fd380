package story_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"kaimenhong/cmd/internal/app/story"
	"kaimenhong/model"
	"kaimenhong/service/operator"
	"kaimenhong/service/redpacket"
)

func TestEveryRefusalHasItsCodeAndItsSentence(t *testing.T) {
	story.Everywhere(t, func(t *testing.T, s story.Stores) {
		w := story.Begin(t, s)
		r := w.Replica()
		games := r.Plays(
			w.Envelope("走着", func(r *redpacket.Rules) { r.Helps, r.HelpsPerDay, r.PotsEach = 2, 2, 3 }),
			w.Envelope("未开始", func(r *redpacket.Rules) { r.StartsAt = model.At(w.Now().Add(time.Hour)) }),
			w.Envelope("结束了", func(r *redpacket.Rules) { r.EndsAt = model.At(w.Now()) }),
			w.Envelope("预算少", func(r *redpacket.Rules) { r.Budget = 900 }),
			w.Envelope("要关注", func(r *redpacket.Rules) { r.Open.Follower, r.Help.Follower = true, true }),
			w.Envelope("要套餐", func(r *redpacket.Rules) {
				r.Open.Plans, r.Help.Plans = []string{"no-such-plan"}, []string{"no-such-plan"}
			}),
			w.Envelope("要新人", func(r *redpacket.Rules) { r.Help.New, r.StartsAt = true, model.At(w.Now().Add(-time.Hour)) }),
		)
		running, notBegun, over, poor, followers, plan := games[0], games[1], games[2], games[3], games[4], games[5]
		people := w.Players("ordinary", "family", "student", "senior")
		owner, first, second, third := people[0], people[1], people[2], people[3]
		stranger := w.Person("unlimited").Opens().SignsIn()
		open := func(m *story.Mini, game string) story.Answer {
			return m.Do("POST", "/campaigns/"+game+"/pots", story.Key(), nil)
		}
		refused := func(what string, a story.Answer, status int, code, sentence string) {
			t.Helper()
			if a.Refused(status, code); !strings.Contains(a.Text("detail"), sentence) {
				t.Errorf("%s: it says %q, want %q in it", what, a.Text("detail"), sentence)
			}
		}
		pot, other, third3 := owner.OpensPot(running), owner.OpensPot(running), owner.OpensPot(running)
		refused("not begun", open(owner, notBegun), 409, "redpacket.not_begun", "还没开始")
		refused("over", open(owner, over), 409, "redpacket.game_ended", "已结束")
		refused("a fourth of three pots", open(owner, running), 429, "redpacket.pots_limit", "可开的红包已用完")
		first.OpensPot(poor)
		refused("no budget left", open(second, poor), 409, "redpacket.budget", "已发完")
		if shown := second.Get("/campaigns/" + poor); shown.Value("canOpen") != false || shown.Text("whyNot.code") != "redpacket.budget" {
			t.Errorf("an exhausted campaign is shown as %s, want it said before a pot is opened", shown.Raw)
		}
		refused("not bound, opens", open(stranger, running), 403, "redpacket.not_bound", "绑定手机号")
		refused("not bound, helps", stranger.Helps(pot), 403, "redpacket.not_bound", "绑定手机号")
		refused("no follower", open(owner, followers), 403, "redpacket.not_follower", "已经关注的，到公众号里发一句话")
		refused("not on the plan", open(owner, plan), 403, "redpacket.not_on_plan", "套餐")
		refused("an unknown game", open(owner, "1"), 404, "redpacket.unknown_game", "没有找到这个活动")
		refused("an unknown pot", first.Helps("1"), 404, "redpacket.unknown_pot", "没有找到这个红包")
		refused("the claim of what is not filled", owner.Do("POST", "/pots/"+pot+"/claim", story.Key(), nil), 409, "payout.not_won", "还没有凑满")
		refused("another's claim", first.Do("POST", "/pots/"+pot+"/claim", story.Key(), nil), 404, "redpacket.unknown_pot", "没有找到")

		refused("his own pot", owner.Helps(pot), 409, "redpacket.own_pot", "不能给自己")
		first.Helps(pot).Is(http.StatusCreated)
		refused("twice", first.Helps(pot), 409, "redpacket.already_helped", "已经为这个红包助力过")
		second.Helps(pot).Is(http.StatusCreated)
		refused("full", third.Helps(pot), 409, "redpacket.full", "已经凑满")
		if shown := third.Sees(pot); shown.Number("helped") != 2 {
			t.Errorf("the pot that is called full is shown as %s", shown.Raw)
		}
		first.Helps(other).Is(http.StatusCreated)
		refused("the third help of a day of two", first.Helps(third3), 429, "redpacket.day_limit", "今天的助力次数已用完")
		if shown := first.Sees(third3); shown.Value("canHelp") != false || shown.Text("whyNot.code") != "redpacket.day_limit" {
			t.Errorf("the pot is shown to him as %s, want why he cannot help", shown.Raw)
		}
		w.Passes(25 * time.Hour)
		for _, m := range people {
			m.SignsIn() // the tokens are old by now
		}
		refused("ended", third.Helps(third3), 409, "redpacket.ended", "截止时间")
		refused("the claim of what ended unfilled", owner.Do("POST", "/pots/"+third3+"/claim", story.Key(), nil), 409, "redpacket.ended", "没能凑满")
		w.Until("the budget of what ended is free", func() bool { return open(second, poor).Status == http.StatusCreated })
		proven(t, r)
	})
}

func TestTheKillSwitchStopsEveryReplicaAndPaysWhatIsFull(t *testing.T) {
	w := story.Begin(t, story.Servers(t))
	first := w.Replica()
	id := first.Plays(w.Envelope("回家", func(r *redpacket.Rules) { r.Helps = 2 }))[0]
	w.Replica()
	people := w.Players("ordinary", "family", "student")
	owner := people[0]
	full, open := owner.OpensPot(id), owner.OpensPot(id)
	people[1].Helps(full).Is(http.StatusCreated)
	people[1].Helps(open).Is(http.StatusCreated)
	people[2].Helps(full).Is(http.StatusCreated)
	planner, reviewer := w.Operator("wang", operator.Planner), w.Operator("zhao", operator.Reviewer)
	reviewer.Does("POST", "/games/"+id+"/stop", map[string]string{"why": "投诉太多"}, http.StatusNoContent)
	w.Until("both replicas know", func() bool { // they are asked in turn
		one, other := stopped(people[2].Sees(open)), stopped(people[2].Sees(open))
		return one && other
	})
	for range 2 {
		people[2].Helps(open).Refused(http.StatusConflict, "redpacket.stopped")
	}
	owner.Do("POST", "/campaigns/"+id+"/pots", story.Key(), nil).Refused(http.StatusConflict, "redpacket.stopped")
	if list := owner.Get("/campaigns").Is(http.StatusOK); list.Value("items.0") != nil {
		t.Errorf("a stopped game is listed: %s", list.Raw)
	}
	owner.Wins(full, "paid")
	var games struct {
		Items []struct {
			ID, StoppedAt, StoppedWhy        string
			BudgetFen, ReservedFen, SpentFen int64
		}
	}
	planner.Does("GET", "/games", nil, http.StatusOK).Into(w, &games)
	if g := games.Items[0]; len(games.Items) != 1 || g.ID != id || g.StoppedAt == "" || g.StoppedWhy != "投诉太多" || g.SpentFen == 0 || g.ReservedFen != g.SpentFen {
		t.Errorf("operators see %+v, want the stopped game with one prize spent and one reserved", games.Items)
	}
	reviewer.Does("POST", "/games/"+id+"/resume", nil, http.StatusForbidden) // who may stop may not run
	planner.Does("POST", "/games/"+id+"/resume", nil, http.StatusNoContent)
	var trail struct {
		Items []struct{ Action, OperatorName string }
	}
	w.Operator("boss", operator.Admin).Does("GET", "/audit?target=redpacket/"+id, nil, http.StatusOK).Into(w, &trail)
	if len(trail.Items) != 2 || trail.Items[0].Action != "redpacket.resume" || trail.Items[1].Action != "redpacket.stop" {
		t.Errorf("the trail of the switch is %+v, want its two turns", trail.Items)
	}
	w.Until("it goes on", func() bool { return people[2].Helps(open).Status == http.StatusCreated })
	owner.Wins(open, "paid")
	proven(t, first)
}

// stopped tells that the pot says why nobody can help it now.
func stopped(pot story.Answer) bool { return pot.Text("whyNot.code") == "redpacket.stopped" }

func TestOperatorsTurnThePagesOfTheGames(t *testing.T) {
	w := story.Begin(t, story.Embedded(t))
	r := w.Replica()
	want := r.Plays(w.Envelope("一", nil), w.Envelope("二", nil), w.Envelope("三", nil))
	planner := w.Operator("wang", operator.Planner)
	type page struct {
		Items []struct{ ID string }
		Next  string
	}
	var got []string
	for cursor, turned := "", 0; turned < 3; turned++ {
		var p page
		planner.Does("GET", "/games?limit=2&cursor="+cursor, nil, http.StatusOK).Into(w, &p)
		for _, g := range p.Items {
			got = append(got, g.ID)
		}
		if cursor = p.Next; cursor == "" {
			break
		}
	}
	slices.Reverse(want) // the newest first
	if !slices.Equal(got, want) {
		t.Errorf("page by page the games are %v, want each of %v once", got, want)
	}
	planner.Does("GET", "/games?cursor=x", nil, http.StatusBadRequest)
}
