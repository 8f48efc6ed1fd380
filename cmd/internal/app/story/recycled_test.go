package story_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"kaimenhong/cmd/internal/app/story"
	"kaimenhong/sandbox/carrier"
	"kaimenhong/service/redpacket"
)

// recycles gives a number to somebody else, whose account nobody here has touched yet.
func recycles(t *testing.T, w *story.World, p *story.Person) carrier.Persona {
	t.Helper()
	after, err := w.Sandbox.Carrier.Recycle(p.Phone)
	if err != nil {
		t.Fatal(err)
	}
	w.Passes(61 * time.Second) // whatever was remembered for a minute is forgotten
	return after
}

// untouched wants the next holder's account as he got it.
func untouched(t *testing.T, w *story.World, p *story.Person, as carrier.Persona) {
	t.Helper()
	if now, err := w.Sandbox.Carrier.Look(p.Phone); err != nil || now != as {
		t.Errorf("the next holder of the number has %+v, %v, want %+v", now, err, as)
	}
}

func TestAPrizeIsNotPaidToTheNextHolderOfANumber(t *testing.T) {
	story.Everywhere(t, func(t *testing.T, s story.Stores) {
		w := story.Begin(t, s)
		r := w.Replica()
		game := r.Plays(w.Envelope("回家", func(rules *redpacket.Rules) { rules.Helps = 1 }))[0]
		people := w.Players("recycled", "family")
		wu := w.Person("recycled")
		pot := people[0].OpensPot(game)
		next := recycles(t, w, wu)
		people[1].Helps(pot).Is(http.StatusCreated)
		w.Until("the prize waits for another number", func() bool { return people[0].Sees(pot).Value("prize.needBind") == true })
		untouched(t, w, wu, next)
		people[0].BindsPhone() // whose it is now
		people[0].Wins(pot, "paid")
		if more := w.Carrier(wu.Phone); int64(more) != next.Balance+900 {
			t.Errorf("the carrier's book shows %s, want ¥9.00 more than %d fen", more, next.Balance)
		}
		proven(t, r)
	})
}

func TestPointsBuyNothingForTheNextHolderOfANumber(t *testing.T) {
	story.Everywhere(t, func(t *testing.T, s story.Stores) {
		w := story.Begin(t, s)
		w.Replica().Stock(shelf(w.Now())...)
		wu := w.Person("recycled")
		mini := wu.Opens().SignsIn().BindsPhone()
		w.Until("the points of the first binding are there", func() bool { return mini.Get("/points").Number("available") == 100 })
		next := recycles(t, w, wu)
		body := map[string]any{"giftId": mini.Finds("carrier")}
		refusal := mini.Do("POST", "/redemptions", "a", body).Refused(http.StatusConflict, "mall.phone")
		if said := refusal.Text("detail"); !strings.Contains(said, "机主已变更") || !strings.Contains(said, "没有扣") {
			t.Errorf("he reads %q, want why, and that it cost nothing", said)
		}
		mini.Do("POST", "/redemptions", "b", body).Refused(http.StatusConflict, "mall.phone")
		if got := mini.Get("/points").Number("available"); got != 100 {
			t.Errorf("%d of his 100 points are left although nothing was redeemed", got)
		}
		untouched(t, w, wu, next)
	})
}

func TestTheChatBuysNothingForTheNextHolderOfANumber(t *testing.T) {
	story.Everywhere(t, func(t *testing.T, s story.Stores) {
		w := story.Begin(t, s)
		w.Replica().Stock(shelf(w.Now())...)
		wu := w.Person("recycled").Bound()
		w.Settle() // the points of the first binding are there
		next := recycles(t, w, wu)
		wu.Says("积分兑换").Hears("1GB")
		wu.Says("1").Hears("确定吗", wu.Masked())
		wu.Says("确定").Hears("机主已变更", "没有扣")
		wu.Says("查积分").Hears("100")
		untouched(t, w, wu, next)
	})
}
