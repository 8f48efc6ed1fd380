package campaign

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
)

// outcome is what the world of a report knows: deliveries, and what people did.
type outcome struct {
	deliveries []model.Delivery
	did        map[model.MemberID]Conduct
	asked      int
	fail       error
	first      Kit // of the first version, where there are two
}

var theirKit = Kit{Game: aGame, Offer: Offer{Name: "1GB流量日包", Gifts: []model.ID{71}}}

func (o *outcome) Kit(_ context.Context, id model.ID) (Kit, error) {
	if id != aKit {
		return o.first, nil
	}
	return theirKit, nil
}

func (o *outcome) Cost(_ context.Context, game model.ID) (model.Fen, error) {
	if game == o.first.Game {
		return 7, o.fail
	}
	return 100_000, o.fail
}

func (o *outcome) Deliveries(_ context.Context, _, after model.ID, limit int) ([]model.Delivery, error) {
	at, _ := slices.BinarySearchFunc(o.deliveries, after+1, func(d model.Delivery, id model.ID) int { return int(d.ID - id) })
	return o.deliveries[at:min(at+limit, len(o.deliveries))], nil
}

func (o *outcome) Conduct(_ context.Context, kits []Kit, members []model.MemberID, from, to model.Day) ([]Conduct, error) {
	want := []Kit{theirKit}
	if o.first.Game != 0 {
		want = append(want, o.first)
	}
	if !reflect.DeepEqual(kits, want) || from > to || len(members) > maxReportPage || !slices.IsSorted(members) {
		return nil, errors.New("not a question of a report")
	}
	o.asked += len(members)
	all := make([]Conduct, len(members))
	for i, m := range members {
		all[i] = o.did[m]
		all[i].Brought = slices.Clone(all[i].Brought)
	}
	return all, nil
}

// play makes two pushes to n people, of whom a tenth is held out, and lets those who
// got something buy more.
func play(n int, start time.Time) *outcome {
	random := rand.New(rand.NewPCG(7, uint64(n)))
	o := &outcome{did: map[model.MemberID]Conduct{}}
	for step := range 2 {
		for m := range n {
			id := model.MemberID(m + 1)
			d := model.Delivery{ID: model.ID(len(o.deliveries) + 1), Step: model.ID(step + 1), Member: id, At: model.At(start.Add(time.Duration(m%3) * time.Hour))}
			switch {
			case model.BucketOf(id) < 10:
				d.State = model.DeliveryHeldOut
			case m%7 == 0:
				d.State, d.Why, d.Variant = model.DeliverySkipped, "push.no_member", "A"
			default:
				d.State, d.Variant, d.Channel = model.DeliverySent, []string{"A", "B"}[m%2], model.CustomChannel
				if m%2 == 0 {
					d.DeliveredAt = d.At + 1
				}
				if m%5 == 0 {
					d.TappedAt = d.At + 2
				}
			}
			o.deliveries = append(o.deliveries, d)
		}
	}
	for m := range n {
		id := model.MemberID(m + 1)
		c := Conduct{City: []string{"南京", "苏州", ""}[m%3], Segment: "顾客"}
		chance := 0.1
		if model.BucketOf(id) >= 10 {
			chance = 0.2
		}
		if random.Float64() < chance {
			c.Took, c.Bought, c.Spent = int64(m%2), 1, 3000
		}
		if random.Float64() < chance {
			c.FollowedAt = model.At(start.Add(time.Hour))
			if m%4 == 0 {
				c.LeftAt = model.At(start.Add(48 * time.Hour))
			}
			c.Played, c.Opened, c.Brought = 1, 3, []model.MemberID{id + 1_000_000}
		}
		o.did[id] = c
	}
	return o
}

func newReports(t testing.TB, w *world, o *outcome) *Reports {
	t.Helper()
	r, err := NewReports(ReportDeps{
		DB: w.db, IDs: w.ids, Now: w.clock, Metrics: prometheus.NewRegistry(), Kits: o, Sendings: o, Conduct: o, Spending: o,
	}, ReportOptions{Page: 300, Reason: func(code string) string { return "因为" + code }})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// live puts a campaign that runs into the book.
func live(t testing.TB, w *world, id model.ID) {
	t.Helper()
	plan, err := json.Marshal(Plan{Name: "回家", Goal: Revenue, Segment: everybody, Holdout: 10, Kit: aKit, StartsAt: model.At(begin), EndsAt: model.At(begin.AddDate(0, 0, 3)), Steps: []Step{{ID: 1, Name: "除夕"}, {ID: 2}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []struct {
		text string
		args []any
	}{
		{"INSERT INTO campaign (id, name, goal, state, why, told, paused_from, live_version, last_version, origin_id, canary_at, released_at, ends_at, created_by, created_at, updated_at) VALUES (?, '回家', 'revenue', 'running', '', '', '', 1, 1, 0, 0, 0, ?, 1, 1, 1)",
			[]any{int64(id), int64(model.At(begin.AddDate(0, 0, 3)))}},
		{"INSERT INTO campaign_version (campaign_id, version, state, edits, plan, author_id, edited_at, submitted_by, submitted_at, frozen_id, frozen_size, decided_by, decided_at, why) VALUES (?, 1, 'live', 1, ?, 1, 1, 1, 1, 1, 1, 1, 1, '')",
			[]any{int64(id), string(plan)}},
	} {
		if _, err := w.db.ExecContext(t.Context(), s.text, s.args...); err != nil {
			t.Fatal(err)
		}
	}
}

// recount counts the deliveries as a person with the log would.
func recount(o *outcome) (m Messages, reached int64) {
	people := map[model.MemberID]bool{}
	for _, d := range o.deliveries {
		if d.State == model.DeliveryHeldOut {
			m.HeldOut++
			continue
		}
		m.Planned++
		if d.State == model.DeliverySkipped {
			m.Skipped++
			continue
		}
		m.Sent++
		people[d.Member] = true
		if d.DeliveredAt != 0 {
			m.Delivered++
		}
		if d.TappedAt != 0 {
			m.Tapped++
		}
	}
	return m, int64(len(people))
}

func TestAReportEqualsWhatWasCountedByHand(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		w := newWorld(t, db)
		o := play(4000, begin)
		r := newReports(t, w, o)
		if _, err := r.Report(t.Context(), 5); !errors.Is(err, ErrNoReport) {
			t.Errorf("before the first = %v, want ErrNoReport", err)
		}
		live(t, w, 5)
		w.mu.Lock()
		w.now = begin.AddDate(0, 0, 9)
		w.mu.Unlock()
		if n, err := r.ComputeDue(t.Context()); n != 1 || err != nil {
			t.Fatalf("ComputeDue = %d, %v", n, err)
		}
		got, err := r.Report(t.Context(), 5)
		if err != nil {
			t.Fatal(err)
		}
		messages, reached := recount(o)
		if got.Messages != messages || got.Treated.Reached != reached || got.Cost != 100_000 {
			t.Errorf("report = %+v, %d reached; by hand %+v, %d", got.Messages, got.Treated.Reached, messages, reached)
		}
		byHand := [2]Group{}
		for m, c := range o.did {
			g := &byHand[0]
			if model.BucketOf(m) < 10 {
				g = &byHand[1]
			}
			g.People++
			g.Took += c.Took
			g.Bought += c.Bought
			g.Spent.Sum += int64(c.Spent)
			g.Played += c.Played
			if c.FollowedAt != 0 {
				g.Followed++
				g.Followers.Sum += 2
			}
		}
		for i, g := range []Group{got.Treated, got.Held} {
			want := byHand[i]
			if g.People != want.People || g.Took != want.Took || want.Took == 0 || g.Bought != want.Bought || g.Spent.Sum != want.Spent.Sum || g.Played != want.Played || g.Followed != want.Followed || g.Followers.Sum != want.Followers.Sum {
				t.Errorf("group %d = %+v, by hand %+v", i, g, want)
			}
		}
		if b := got.Uplift.Bought; b == nil || b.Low <= 0 || b.Low > 0.1 || b.High < 0.1 || got.Uplift.PerYuan == nil || !got.Uplift.PerYuan.Bounded {
			t.Errorf("uplift = %+v, want about 0.1", got.Uplift)
		}
		if b := got.Uplift.Took; got.Offer != theirKit.Offer.Name || b == nil || b.Low > 0.05 || b.High < 0.05 {
			t.Errorf("uplift of the offer %q = %+v, want about 0.05", got.Offer, b)
		}
		if r7, r30 := got.Treated.Retained7, got.Treated.Retained30; r7.Of != got.Treated.Followed || r7.Stayed >= r7.Of || r7.Stayed == 0 || r30.Of != 0 {
			t.Errorf("retained = %+v and %+v", r7, r30)
		}
		for _, cut := range []Cut{ByVariant, ByChannel, BySegment, ByCity, ByHour, ByWhy} {
			var people, sent int64
			for _, l := range got.Lines {
				if want := map[Cut]string{ByVariant: map[string]string{"1/A": "第1步“除夕”版本A", "1/B": "第1步“除夕”版本B", "2/A": "第2步版本A", "2/B": "第2步版本B"}[l.Name], ByChannel: channelNames[model.Channel(l.Name)], ByHour: l.Name + "点", ByWhy: "因为" + l.Name}[l.Cut]; l.Title != cmp.Or(want, l.Name) {
					t.Errorf("the line %s of %s is called %q, want %q", l.Name, l.Cut, l.Title, want)
				}
				if l.Cut == cut {
					people, sent = people+l.Treated.People, sent+l.Messages.Sent
				}
			}
			if (cut == BySegment || cut == ByCity) && people != got.Treated.People || (cut == ByVariant || cut == ByChannel || cut == ByHour) && sent != messages.Sent {
				t.Errorf("the lines of %s hold %d people and %d messages", cut, people, sent)
			}
		}
	})
}

func TestAVariantIsOneOfItsStep(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		w := newWorld(t, db)
		o := &outcome{did: map[model.MemberID]Conduct{}}
		for step := range model.ID(2) { // the first says one thing to all, the second tries two
			for m := range model.MemberID(10) {
				variant := "A"
				if step == 1 && m%2 == 0 {
					variant = "B"
				}
				o.deliveries = append(o.deliveries, model.Delivery{
					ID: model.ID(len(o.deliveries) + 1), Step: step + 1, Member: m + 1, Variant: variant, State: model.DeliverySent, Channel: model.CustomChannel, At: model.At(begin),
				})
				o.did[m+1] = Conduct{Played: int64(m % 2)} // who got A of the second
			}
		}
		r := newReports(t, w, o)
		live(t, w, 5)
		if err := r.Compute(t.Context(), 5); err != nil {
			t.Fatal(err)
		}
		got, err := r.Report(t.Context(), 5)
		if err != nil {
			t.Fatal(err)
		}
		type line struct{ sent, people, played int64 }
		lines := map[string]line{}
		for _, l := range got.Lines {
			if l.Cut == ByVariant {
				lines[l.Title] = line{l.Messages.Sent, l.Treated.People, l.Treated.Played}
			}
		}
		want := map[string]line{"第1步“除夕”版本A": {10, 10, 5}, "第2步版本A": {5, 5, 5}, "第2步版本B": {5, 5, 0}}
		if !reflect.DeepEqual(lines, want) {
			t.Errorf("by variant = %+v, want %+v", lines, want)
		}
	})
}

func TestAFriendOfTheAudienceFollowsOnce(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		w, follows := newWorld(t, db), model.At(begin.Add(time.Hour))
		o := &outcome{did: map[model.MemberID]Conduct{
			1: {Brought: []model.MemberID{2, 350, 9}}, // one of each group, and a stranger
			2: {FollowedAt: follows}, 350: {FollowedAt: follows},
		}}
		for m := range model.MemberID(400) {
			d := model.Delivery{ID: model.ID(m + 1), Step: 1, Member: m + 1, Variant: "A", State: model.DeliverySent, Channel: model.CustomChannel, At: model.At(begin)}
			switch {
			case m+1 == 9:
				continue
			case m >= 300:
				d.State, d.Variant, d.Channel = model.DeliveryHeldOut, "", ""
			}
			o.deliveries = append(o.deliveries, d)
		}
		r := newReports(t, w, o)
		live(t, w, 5)
		if err := r.Compute(t.Context(), 5); err != nil {
			t.Fatal(err)
		}
		got, err := r.Report(t.Context(), 5)
		if err != nil {
			t.Fatal(err)
		}
		if got.Treated.Followers.Sum != 2 || got.Held.Followers.Sum != 1 {
			t.Errorf("%d followers of the treated, %d of those held out; want 2 (member 2 and the stranger) and 1: three people", got.Treated.Followers.Sum, got.Held.Followers.Sum)
		}
	})
}

func TestAReportOfAChangedCampaignIsOfAllItsVersions(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		w := newWorld(t, db)
		o := play(10, begin)
		o.first = Kit{Game: 77}
		r := newReports(t, w, o)
		live(t, w, 5)
		before, err := json.Marshal(Plan{Name: "回家", Goal: Revenue, Segment: everybody, Kit: aKit + 1, StartsAt: model.At(begin.AddDate(0, 0, -4)), EndsAt: model.At(begin.AddDate(0, 0, 1)), Steps: []Step{{ID: 2, Name: "小年"}}})
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{
			"UPDATE campaign_version SET version = 2", "UPDATE campaign SET live_version = 2, last_version = 2",
			"INSERT INTO campaign_version (campaign_id, version, state, edits, plan, author_id, edited_at, submitted_by, submitted_at, frozen_id, frozen_size, decided_by, decided_at, why) VALUES (5, 1, 'old', 1, '" + string(before) + "', 1, 1, 1, 1, 1, 1, 1, 1, '')",
		} {
			if _, err := db.ExecContext(t.Context(), text); err != nil {
				t.Fatal(err)
			}
		}
		if err := r.Compute(t.Context(), 5); err != nil {
			t.Fatal(err)
		}
		got, err := r.Report(t.Context(), 5)
		if err != nil || got.Cost != 100_007 || got.From != model.At(model.DayOf(begin.AddDate(0, 0, -4)).Start()) || got.Offer != theirKit.Offer.Name {
			t.Errorf("report from %s, cost %d, offer %q, %v; want from the first version's start, with the prizes of both games", got.From.Time(), got.Cost, got.Offer, err)
		}
	})
}

func TestThereIsNoReportBeforeTheCampaignBegins(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		w := newWorld(t, db)
		r := newReports(t, w, &outcome{})
		live(t, w, 5)
		w.mu.Lock()
		w.now = begin.AddDate(0, 0, -2)
		w.mu.Unlock()
		if n, err := r.ComputeDue(t.Context()); n != 0 || err != nil {
			t.Errorf("ComputeDue = %d, %v, want none and no failure", n, err)
		}
		if got, err := r.Report(t.Context(), 5); !errors.Is(err, ErrNoReport) {
			t.Errorf("two days before = %v, from %s to %s; want ErrNoReport", err, got.From.Time(), got.To.Time())
		}
	})
}

func TestAReportComputedAgainIsTheSame(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		w := newWorld(t, db)
		o := play(900, begin)
		r := newReports(t, w, o)
		live(t, w, 5)
		o.fail = errDown
		if err := r.Compute(t.Context(), 5); !errors.Is(err, errDown) {
			t.Fatalf("Compute = %v, want what failed", err)
		}
		o.fail = nil
		if err := r.Compute(t.Context(), 5); err != nil {
			t.Fatal(err)
		}
		if _, err := r.Report(t.Context(), 5); !errors.Is(err, ErrNoReport) {
			t.Errorf("while the dead run is left alone: %v, want ErrNoReport", err)
		}
		var first Report
		for i := range 2 {
			w.mu.Lock()
			w.now = w.now.Add(6 * time.Minute)
			w.mu.Unlock()
			if err := r.Compute(t.Context(), 5); err != nil {
				t.Fatal(err)
			}
			got, err := r.Report(t.Context(), 5)
			if err != nil {
				t.Fatal(err)
			}
			got.ComputedAt = 0
			if i == 0 {
				first = got
			} else if !reflect.DeepEqual(got, first) {
				t.Errorf("computed again: %+v, first %+v", got, first)
			}
		}
		if first.Uplift.Why == "" || first.Uplift.Bought != nil {
			t.Errorf("with %d held out: %+v, want that there is not enough data", first.Held.People, first.Uplift)
		}
		if err := r.Compute(t.Context(), 6); !errors.Is(err, ErrUnknown) {
			t.Errorf("of no campaign = %v, want ErrUnknown", err)
		}
	})
}

func TestAReportForgetsItsPeopleWhenItNoLongerChanges(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		w := newWorld(t, db)
		r := newReports(t, w, play(900, begin))
		live(t, w, 5)
		if err := r.Compute(t.Context(), 5); err != nil {
			t.Fatal(err)
		}
		before, err := r.Report(t.Context(), 5)
		if err != nil {
			t.Fatal(err)
		}
		var ends int64
		if err := db.QueryRowContext(t.Context(), "SELECT ends_at FROM campaign WHERE id = 5").Scan(&ends); err != nil {
			t.Fatal(err)
		}
		for _, tt := range []struct {
			after time.Duration
			want  []int
		}{{followUp - time.Second, []int{0}}, {followUp, []int{300, 300, 300, 0}}} {
			w.mu.Lock()
			w.now = model.Millis(ends).Time().Add(tt.after)
			w.mu.Unlock()
			for i, want := range tt.want {
				if n, err := r.Forget(t.Context()); n != want || err != nil {
					t.Errorf("%s after the end, time %d: %d, %v, want %d", tt.after, i, n, err, want)
				}
			}
		}
		after, err := r.Report(t.Context(), 5)
		if err != nil || after.Treated.People != before.Treated.People || len(after.Lines) != len(before.Lines) {
			t.Errorf("the report afterwards = %+v, %v, want %+v", after, err, before)
		}
	})
}

// Two campaigns with one game both carry what all of its prizes cost.
func TestAReportSaysWhoSharesItsGame(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		w := newWorld(t, db)
		r := newReports(t, w, play(10, begin))
		compute := func(id model.ID) Report {
			if err := r.Compute(t.Context(), id); err != nil {
				t.Fatal(err)
			}
			return must[Report](t)(r.Report(t.Context(), id))
		}
		live(t, w, 5)
		if got := compute(5); got.CostNote != "" {
			t.Errorf("a campaign whose game is its own says %q of its cost", got.CostNote)
		}
		for id, name := range map[model.ID]string{6: "除夕", 7: "元宵"} {
			live(t, w, id)
			if _, err := db.ExecContext(t.Context(), "UPDATE campaign SET name = ? WHERE id = ?", name, int64(id)); err != nil {
				t.Fatal(err)
			}
		}
		compute(6)
		compute(7)
		got := compute(5)
		if want := "同一个游戏也用于活动“元宵”、“除夕”，成本是整个游戏的奖品金额，没有按活动拆分，各活动的成本不要相加。"; got.CostNote != want || got.Cost != 100_000 {
			t.Errorf("of a cost of %d the report says %q, want %q", got.Cost, got.CostNote, want)
		}
		if rows := fmt.Sprint(got.conclusion()); !strings.Contains(rows, got.CostNote) {
			t.Errorf("the workbook begins with %s, without what is said of the cost", rows)
		}
	})
}
