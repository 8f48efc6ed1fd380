package story_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"kaimenhong/cmd/internal/app/story"
	"kaimenhong/sandbox/faults"
	"kaimenhong/service/payout"
	"kaimenhong/service/redpacket"
)

// fills makes two people fill a pot of one help and returns it.
func fills(t *testing.T, w *story.World, r *story.Replica, change func(*redpacket.Rules)) (owner *story.Mini, phone, pot string) {
	t.Helper()
	game := r.Plays(w.Envelope("回家", func(rules *redpacket.Rules) {
		rules.Helps = 1
		if change != nil {
			change(rules)
		}
	}))[0]
	people := w.Players("ordinary", "family")
	pot = people[0].OpensPot(game)
	people[1].Helps(pot).Is(http.StatusCreated)
	return people[0], w.Person("ordinary").Phone, pot
}

func TestAPrizeArrivesOnceWhateverTheCarrierDoes(t *testing.T) {
	for name, fault := range map[string]faults.Fault{
		"a call that never arrived":       {Kind: faults.Reset, Count: 1},
		"an answer that was lost":         {Kind: faults.Cut, Count: 1},
		"a call that arrived twice":       {Kind: faults.Duplicate, Count: 1},
		"a call that takes effect late":   {Kind: faults.Late, DelayMS: 1500, Status: 504, Count: 1},
		"a carrier that is busy at first": {Kind: faults.Status, Status: 503, RetryAfter: 1, Count: 2},
	} {
		t.Run(name, func(t *testing.T) {
			story.Everywhere(t, func(t *testing.T, s story.Stores) {
				w := story.Begin(t, s)
				w.Logs.Forgives("payout not moved", "job failed")
				r := w.Replica()
				before := w.Carrier(w.Person("ordinary").Phone)
				w.Fault("carrier.topup", fault)
				owner, phone, pot := fills(t, w, r, nil)
				owner.Wins(pot, "paid")
				if more := w.Carrier(phone) - before; more != 900 {
					t.Errorf("the carrier's book shows %s more, want ¥9.00", more)
				}
				proven(t, r)
			})
		})
	}
}

func TestAPrizeThatTheCarrierRefusesGoesBackOrWaitsForAPerson(t *testing.T) {
	story.Everywhere(t, func(t *testing.T, s story.Stores) {
		w := story.Begin(t, s)
		r := w.Replica()
		before := w.Carrier(w.Person("ordinary").Phone)
		w.Sandbox.Carrier.FailNext(2)
		owner, phone, back := fills(t, w, r, func(rules *redpacket.Rules) { rules.Name, rules.ReleaseFailed = "退回", true })
		owner.Wins(back, "released")
		owner, _, pot := fills(t, w, r, nil)
		owner.Wins(pot, "failed")
		if got := w.Carrier(phone); got != before {
			t.Errorf("the carrier's book shows %s, want %s as before", got, before)
		}
		proven(t, r)
		waiting, _, err := r.App().Payer().Waiting(t.Context(), payout.Failed, "", 10)
		if err != nil || len(waiting) != 1 || waiting[0].Pot.String() != pot || waiting[0].Why == "" {
			t.Fatalf("the people's list holds %+v, %v, want pot %s with its reason", waiting, err, pot)
		}
		if err := r.App().Payer().Review(t.Context(), waiting[0].Pot, payout.Decision{Verdict: payout.Pay, By: "li.lei", Why: "运营商已修好"}); err != nil {
			t.Fatal(err)
		}
		owner.Wins(pot, "paid")
		if more := w.Carrier(phone) - before; more != 900 {
			t.Errorf("the carrier's book shows %s more, want ¥9.00", more)
		}
		proven(t, r)
	})
}

func TestASuspiciousGraphsPrizeWaitsWithItsReasons(t *testing.T) {
	story.Everywhere(t, func(t *testing.T, s story.Stores) {
		w := story.Begin(t, s)
		r := w.Replica()
		game := r.Plays(w.Envelope("回家", func(rules *redpacket.Rules) { rules.Helps = 5 }))[0]
		people := w.Players("ordinary", "family", "student", "senior", "postpaid", "data_low")
		pot := people[0].OpensPot(game)
		for _, helper := range people[1:] { // who all have just come, one after the other
			helper.Helps(pot).Is(http.StatusCreated)
		}
		people[0].Wins(pot, "reviewing")
		held, _, err := r.App().Payer().Waiting(t.Context(), payout.Held, "", 10)
		if err != nil || len(held) != 1 || held[0].Pot.String() != pot {
			t.Fatalf("held are %+v, %v, want pot %s", held, err, pot)
		}
		for _, reason := range []string{"5 次助力在", "注册后一小时内助力"} {
			if !strings.Contains(held[0].Why, reason) {
				t.Errorf("it is held because %q, want %q in it", held[0].Why, reason)
			}
		}
		if err := r.App().Payer().Review(t.Context(), held[0].Pot, payout.Decision{Verdict: payout.Pay, By: "li.lei", Why: "一家人，在一起过年"}); err != nil {
			t.Fatal(err)
		}
		people[0].Wins(pot, "paid")
		proven(t, r)
	})
}

func TestTheGameGoesOnWhileRedisIsAway(t *testing.T) {
	s := story.Servers(t)
	gate := story.NewGate(t, s.Redis.Addrs[0])
	s.Redis.Addrs = []string{gate.Addr}
	w := story.Begin(t, s)
	w.Logs.Forgives("job failed", "job not run")
	r := w.Replica()
	game := r.Plays(w.Envelope("回家", nil))[0]
	people := w.Players("ordinary", "family", "student", "senior")
	owner := people[0]
	pot, other := owner.OpensPot(game), owner.OpensPot(game)
	people[1].Helps(pot).Is(http.StatusCreated)
	gate.Shut()
	type asked struct {
		helper *story.Mini
		key    string
		first  story.Answer
	}
	help := func(a asked) story.Answer {
		return a.helper.Do("POST", "/pots/"+pot+"/helps", a.key, map[string]any{"shown": true})
	}
	var answered []asked
	for _, helper := range people[2:] {
		a := asked{helper: helper, key: story.Key()}
		w.Until("the help is answered without Redis", func() bool { // or 稍后再试, and it is sent again
			a.first = help(a)
			return a.first.Status != http.StatusServiceUnavailable
		})
		a.first.Is(http.StatusCreated)
		answered = append(answered, a)
		w.Passes(10 * time.Second)
	}
	w.Until("a refusal is true without Redis", func() bool { return owner.Helps(other).Text("code") == "redpacket.own_pot" })
	owner.Wins(pot, "paid")
	w.Passes(time.Minute)
	gate.Open()
	for _, a := range answered {
		if again := help(a).Is(http.StatusCreated); string(again.Raw) != string(a.first.Raw) {
			t.Errorf("with Redis back the repeat answers %s, want %s", again.Raw, a.first.Raw)
		}
	}
	people[1].Helps(other).Is(http.StatusCreated)
	w.Until("the stores agree", func() bool { return r.App().Reconcile(context.Background()) == nil })
	proven(t, r)
}
