package story_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"kaimenhong/cmd/internal/app"
	"kaimenhong/cmd/internal/app/story"
	"kaimenhong/model"
	"kaimenhong/sandbox/faults"
	"kaimenhong/service/mall"
)

// A longer storm:
//
//	.ci/with-stores go test ./cmd/internal/app/story -run Storm -v -storm.duration 10m -storm.seed 7 -timeout 30m
var (
	stormFor  = flag.Duration("storm.duration", 6*time.Second, "how long processes are killed under the mini-program")
	stormSeed = flag.Uint64("storm.seed", 0, "of the clients and the kills; 0 draws one")
)

const clients = 32

// counterOf is a mall that 32 clients can empty: everything cheap, the parcels few.
func counterOf(now time.Time) []app.Good {
	until := model.At(now.AddDate(1, 0, 0))
	codes := make([]string, 400)
	for i := range codes {
		codes[i] = fmt.Sprintf("CODE-%04d", i)
	}
	return []app.Good{
		{Gift: mall.Gift{Category: "流量", Kind: mall.Carrier, Title: "1GB流量日包", Points: 3, Total: 100_000, EndsAt: until, Spec: mall.Spec{Offering: "OF-DATA-1G-1D"}}},
		{Gift: mall.Gift{Category: "券", Kind: mall.Coupon, Title: "代金券", Points: 1, EndsAt: until}, Codes: codes},
		{Gift: mall.Gift{Category: "会员", Kind: mall.Card, Title: "视频会员", Points: 2, Total: 100_000, Each: 5, EndsAt: until, Spec: mall.Spec{AppID: "wx0000000000000000", Page: "a"}}},
		{Gift: mall.Gift{Category: "实物", Kind: mall.Physical, Title: "帆布袋", Points: 4, Total: 60, Each: 3, EndsAt: until, Cancellable: true}},
	}
}

// write is something that a client asked for, and what he was told.
type write struct {
	key, path string
	body      any
	told      string // "" while nobody knows
	id        string // of the redemption, when there is one
}

// client is one of those who redeem while processes die.
type client struct {
	*story.Mini
	t      *testing.T
	name   string
	rand   *rand.Rand
	gifts  []string
	parcel string // the gift that may be taken back
	data   int64  // at the carrier, before
	writes []*write
	signed bool
}

// sure tells whether the answer settles a write: not when its first try, cut off by a
// kill, still holds it, or when a replica was busy.
func sure(a story.Answer) bool {
	return a.Status < 500 && a.Text("code") != "request.running" && a.Status != http.StatusTooManyRequests
}

// send sends a write, a few times at most.
func (c *client) send(w *write, tries int) {
	for range tries {
		a, err := c.Try("POST", w.path, w.key, w.body)
		if err != nil || !sure(a) {
			rest(20 * time.Millisecond)
			continue
		}
		if w.told != "" && w.told != a.String() {
			c.t.Errorf("%s: %s %s was answered %s, and now %s", c.name, w.path, w.key, w.told, a)
		}
		w.told = a.String()
		if a.Status == http.StatusCreated {
			shared.Lock()
			w.id = a.Text("id")
			shared.Unlock()
		}
		return
	}
}

// rest waits without sleeping through the end of a test.
func rest(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	<-timer.C
}

// act does one thing at random.
func (c *client) act(others []*client) {
	switch dice := c.rand.IntN(100); {
	case dice < 50:
		gift := c.gifts[c.rand.IntN(len(c.gifts))]
		body := map[string]any{"giftId": gift}
		if gift == c.parcel {
			body["address"] = map[string]any{"name": "张三", "phone": "13800138001", "text": "长安街1号"}
		}
		c.begin(&write{path: "/redemptions", body: body})
	case dice < 60 && len(c.writes) > 0: // the same again
		c.send(c.writes[c.rand.IntN(len(c.writes))], 3)
	case dice < 75 && len(c.writes) > 0:
		if w := c.writes[c.rand.IntN(len(c.writes))]; w.id != "" {
			c.begin(&write{path: "/redemptions/" + w.id + "/cancel"})
		}
	case dice < 80 && !c.signed:
		c.signed = true
		c.begin(&write{path: "/points/sign-in"})
	case dice < 85:
		other := others[c.rand.IntN(len(others))]
		if w := (&write{}); other != c {
			w.id = other.anyID()
			if a, err := c.Try("GET", "/redemptions/"+w.id, "", nil); w.id != "" && err == nil && sure(a) && a.Status != http.StatusNotFound {
				c.t.Errorf("%s sees %s's redemption: %s", c.name, other.name, a)
			}
		}
	default:
		path := []string{"/me", "/points", "/points/entries", "/points/lots", "/redemptions", "/gifts"}[c.rand.IntN(6)]
		if a, err := c.Try("GET", path, "", nil); err == nil && sure(a) && a.Status != http.StatusOK {
			c.t.Errorf("%s: GET %s is answered %s", c.name, path, a)
		}
	}
}

var shared sync.Mutex // guards the clients' writes against each other's looks

func (c *client) begin(w *write) {
	w.key = fmt.Sprintf("%s-%d", c.name, len(c.writes))
	shared.Lock()
	c.writes = append(c.writes, w)
	shared.Unlock()
	c.send(w, 3)
}

func (c *client) anyID() string {
	shared.Lock()
	defer shared.Unlock()
	for _, w := range c.writes {
		if w.id != "" {
			return w.id
		}
	}
	return ""
}

// TestTheLedgerStandsAStorm lets 32 clients redeem, repeat, take back and look over
// HTTP while the processes that serve them are killed and the carrier misbehaves; then
// it compares all that was told with the books, and lets the binary prove the ledger.
func TestTheLedgerStandsAStorm(t *testing.T) {
	binary := story.Binary(t)
	story.Everywhere(t, func(t *testing.T, s story.Stores) {
		seed := *stormSeed
		if seed == 0 {
			seed = rand.Uint64N(1 << 32)
		}
		t.Logf("-storm.seed %d", seed)
		w := story.Begin(t, s)
		// A carrier that answers with nonsense, and rows that a killed process left to the next.
		w.Logs.Forgives("redemption not handed over", "job failed")
		first := w.Replica().Stock(counterOf(w.Now())...)
		all := players(t, w, seed)
		first.Stop()
		misbehave := []faults.Fault{
			{Kind: faults.Reset, Probability: .1}, {Kind: faults.Cut, Probability: .1}, {Kind: faults.Duplicate, Probability: .1},
			{Kind: faults.Late, Probability: .1, DelayMS: 300, Status: 504},
		}
		w.Fault("carrier.order", misbehave...)
		kills := storm(t, w, s, binary, all, rand.New(rand.NewPCG(seed, 99)))
		w.Fault("carrier.order")
		w.Passes(3 * time.Minute) // whatever the dead had leased is free
		judge := w.Replica()
		told := 0
		for _, c := range all {
			told += c.insists()
		}
		w.Until("everybody's goods are with him", func() bool {
			w.Passes(2 * time.Second) // a carrier that works on an order is asked less and less often
			return w.Count("SELECT id FROM mall_redemption WHERE kind <> 'physical' AND state NOT IN ('fulfilled', 'failed', 'cancelled', 'refused')") == 0
		})
		for _, c := range all {
			c.compares()
		}
		t.Logf("%d processes killed, %d writes answered", kills, told)
		if kills < 2 || told < clients {
			t.Errorf("%d kills and %d answers are no storm", kills, told)
		}
		shelves(t, all[0], all)
		judge.Stop()
		proves(t, w, binary)
	})
}

// players are the clients, signed in and with a number.
func players(t *testing.T, w *story.World, seed uint64) (all []*client) {
	t.Helper()
	for i, phone := range w.Sandbox.Carrier.Phones() {
		if len(all) == clients {
			break
		}
		if _, err := w.Sandbox.Persona("c" + phone); err != nil {
			continue // one of the ten whom a demonstration picks
		}
		m := w.Person("c" + phone).Opens().SignsIn().BindsPhone()
		all = append(all, &client{Mini: m, t: t, name: fmt.Sprintf("c%d", i), rand: rand.New(rand.NewPCG(seed, uint64(i)))})
	}
	if len(all) != clients {
		t.Fatalf("%d clients, want %d", len(all), clients)
	}
	shelf := all[0].Get("/gifts").Is(http.StatusOK)
	for _, c := range all {
		w.Until(c.name+" has the points of the first binding", func() bool { return c.Get("/points").Number("available") == 100 })
		for i := range 4 {
			c.gifts = append(c.gifts, shelf.Text("items."+strconv.Itoa(i)+".id"))
		}
		c.parcel = c.Finds("physical")
		c.data = dataLeft(c.Mini)
	}
	return all
}

// storm kills the serving processes one after the other, for as long as the flag says.
func storm(t *testing.T, w *story.World, s story.Stores, binary string, all []*client, r *rand.Rand) (kills int) {
	t.Helper()
	serving := []*story.Replica{w.Process(binary)}
	if !s.OneReplica {
		serving = append(serving, w.Process(binary))
	}
	ctx, end := context.WithTimeout(t.Context(), *stormFor)
	defer end()
	var wait sync.WaitGroup
	for _, c := range all {
		wait.Go(func() {
			for ctx.Err() == nil {
				c.act(all)
			}
		})
	}
	for ctx.Err() == nil {
		rest(300*time.Millisecond + time.Duration(r.Int64N(int64(900*time.Millisecond))))
		i := r.IntN(len(serving))
		serving[i].Kill()
		serving[i].Forget()
		kills++
		serving[i] = w.Process(binary)
	}
	wait.Wait()
	for _, p := range serving {
		p.Kill()
		p.Forget()
	}
	return kills
}

// insists repeats whatever has no answer yet, and returns how many writes there were.
func (c *client) insists() int {
	for _, write := range c.writes {
		if write.told != "" {
			continue
		}
		if c.send(write, 50); write.told == "" {
			c.t.Errorf("%s: %s %s is never answered", c.name, write.path, write.key)
		}
	}
	return len(c.writes)
}

// compares what the client was told with what he has.
func (c *client) compares() {
	ids := map[string]bool{}
	signed := int64(0)
	for _, write := range c.writes {
		if write.id != "" {
			ids[write.id] = true
		}
		if write.path == "/points/sign-in" && strings.HasPrefix(write.told, "200") {
			signed = 1
		}
	}
	spent, packs := int64(0), int64(0)
	for _, r := range c.redemptions() {
		if !ids[r.Text("id")] {
			c.t.Errorf("%s has a redemption that he was not told of: %s", c.name, r)
		}
		delete(ids, r.Text("id"))
		if s := r.Text("status"); s != "failed" && s != "cancelled" {
			spent += r.Number("points")
		}
		if r.Text("kind") == "carrier" && r.Text("status") == "fulfilled" {
			packs++
		}
	}
	if len(ids) > 0 {
		c.t.Errorf("%s was told of redemptions that are not there: %v", c.name, ids)
	}
	if got := c.Get("/points").Number("available"); got != 100+signed-spent {
		c.t.Errorf("%s has %d points, want %d", c.name, got, 100+signed-spent)
	}
	if got := dataLeft(c.Mini) - c.data; got != packs<<30 {
		c.t.Errorf("%s's data grew by %d bytes for %d packs of 1 GB", c.name, got, packs)
	}
}

// redemptions are all that the client has, page by page.
func (c *client) redemptions() (all []story.Answer) {
	for cursor := ""; ; {
		path := "/redemptions?limit=100"
		if cursor != "" {
			path += "&cursor=" + cursor
		}
		page := c.Get(path).Is(http.StatusOK)
		all = append(all, page.Items()...)
		if cursor = page.Text("nextCursor"); cursor == "" {
			return all
		}
	}
}

// shelves compares what is left of each gift with what all have, and the coupons'
// codes with each other.
func shelves(t *testing.T, looking *client, all []*client) {
	t.Helper()
	live, codes := map[string]int64{}, map[string]bool{}
	for _, c := range all {
		for _, r := range c.redemptions() {
			if s := r.Text("status"); s == "failed" || s == "cancelled" {
				continue
			}
			live[r.Text("giftId")]++
			if code := r.Text("couponCode"); r.Text("kind") == "coupon" && (code == "" || codes[code]) {
				t.Errorf("the code %q is nobody's or two members'", code)
			} else if code != "" {
				codes[code] = true
			}
		}
	}
	totals := map[string]int64{"carrier": 100_000, "coupon": 400, "card": 100_000, "physical": 60}
	for _, id := range looking.gifts {
		g := looking.Get("/gifts/" + id).Is(http.StatusOK)
		if want := totals[g.Text("kind")] - live[id]; g.Number("left") != want {
			t.Errorf("%d of %s are left, want %d", g.Number("left"), g.Text("title"), want)
		}
	}
}

// proves lets the binary prove the ledger, as an operator would.
func proves(t *testing.T, w *story.World, binary string) {
	t.Helper()
	check := exec.CommandContext(t.Context(), binary, "check", "--ledger")
	check.Env = append(w.Environment(), "PATH="+os.Getenv("PATH"))
	out, err := check.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "all is well") {
		t.Errorf("kaimenhong check --ledger: %v\n%s", err, out)
	}
}
