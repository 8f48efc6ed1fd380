package redpacket

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"kaimenhong/model"
	"kaimenhong/service/redpacket/internal/db"
)

// What makes a pot suspicious, and how much each sign weighs. No sign alone holds a
// payout: families help each other, quickly and in circles.
const (
	holdAt = 100 // points from which a payout waits for a person

	reciprocalWeight = 60 // most helpers are helped by the owner in turn
	burstWeight      = 50 // the helps came faster than people read
	cliqueWeight     = 60 // the helpers help no pot outside their own circle
	freshWeight      = 50 // most helpers joined just before they helped

	burstSpan    = 3 * time.Second // a help, on average
	burstHelps   = 5               // fewer come quickly by chance
	cliqueHelps  = 4
	freshWithin  = time.Hour
	suspectShare = 60  // per cent of the helpers that a sign needs
	scoreHelpers = 200 // looked at; the first ones of a large pot
)

// Reason is one sign of a score: what was seen, in words for the person who
// reviews it.
type Reason struct {
	Code   string // reciprocal, burst, clique, fresh
	Points int
	Text   string
}

// Score is how suspicious a pot's helps look, with every reason for it.
type Score struct {
	Points  int
	Reasons []Reason
}

// Hold tells whether the pot's payout should wait for a person. The helps stand
// whatever the score is: nobody who helped is refused for it.
func (s Score) Hold() bool { return s.Points >= holdAt }

// people tells since when members exist; it looks up many at once.
type people interface {
	JoinedAt(ctx context.Context, members []model.MemberID) (map[model.MemberID]model.Millis, error)
}

// Score looks at the graph of helps around a pot: whether its owner helps his
// helpers in turn, how quickly they came, whether they help only each other and how
// new they are (not looked at without people). Whoever delivers payouts asks before
// the first submission.
func (e *Engine) Score(ctx context.Context, id PotID, who people) (Score, error) {
	f, err := e.pot(ctx, id)
	if err != nil {
		return Score{}, orUnavailable(err)
	}
	rows, err := e.q.RealHelps(ctx, db.RealHelpsParams{PotID: int64(id), K: 0, Limit: scoreHelpers})
	if err != nil {
		return Score{}, fmt.Errorf("read the helps of pot %s: %w", id, err)
	}
	if len(rows) == 0 {
		return Score{}, nil
	}
	game, err := e.Game(ctx, f.game)
	if err != nil {
		return Score{}, orUnavailable(err)
	}
	c := circle{game: &game, owner: game.joins.who(f.owner)}
	for _, row := range rows {
		helper := game.joins.who(model.MemberID(row.HelperID))
		if slices.Contains(c.helpers, helper) {
			continue // who helped as two before he was one counts once
		}
		c.helpers, c.at = append(c.helpers, helper), append(c.at, model.Millis(row.CreatedAt))
	}
	if err := e.lookAround(ctx, &c); err != nil {
		return Score{}, err
	}
	if who != nil {
		if c.joined, err = who.JoinedAt(ctx, c.helpers); err != nil {
			return Score{}, fmt.Errorf("look up when the helpers joined: %w", err)
		}
	}
	return c.score(), nil
}

// circle is what is known of a pot's helpers, each as the member who he is now.
type circle struct {
	game    *Game
	owner   model.MemberID
	helpers []model.MemberID
	at      []model.Millis
	joined  map[model.MemberID]model.Millis
	// helped counts, for each helper, the helps to pots of the circle's members and
	// of others; inTurn are the helpers whose pots the owner has helped.
	inside, outside map[model.MemberID]int
	inTurn          map[model.MemberID]bool
}

// lookAround reads whom the circle's members help in this game.
func (e *Engine) lookAround(ctx context.Context, c *circle) error {
	var raw []int64
	belongs := make(map[model.MemberID]bool, len(c.helpers)+1)
	for _, m := range append(slices.Clone(c.helpers), c.owner) {
		raw, belongs[m] = append(raw, rawMembers(c.game.joins.all(m))...), true
	}
	rows, err := e.q.HelpedOwners(ctx, db.HelpedOwnersParams{Helpers: raw, GameID: int64(c.game.ID)})
	if err != nil {
		return fmt.Errorf("read whom the helpers help: %w", err)
	}
	c.inside, c.outside, c.inTurn = map[model.MemberID]int{}, map[model.MemberID]int{}, map[model.MemberID]bool{}
	for _, row := range rows {
		who := c.game.joins.who
		helper, owner := who(model.MemberID(row.HelperID)), who(model.MemberID(row.OwnerID))
		switch {
		case helper == c.owner:
			c.inTurn[owner] = true
		case belongs[owner]:
			c.inside[helper] += int(row.Helps)
		default:
			c.outside[helper] += int(row.Helps)
		}
	}
	return nil
}

// score weighs the signs.
func (c *circle) score() Score {
	var s Score
	add := func(code string, points int, format string, args ...any) {
		s.Points += points
		s.Reasons = append(s.Reasons, Reason{code, points, fmt.Sprintf(format, args...)})
	}
	n := len(c.helpers)
	count := func(is func(i int, m model.MemberID) bool) int {
		seen := 0
		for i, m := range c.helpers {
			if is(i, m) {
				seen++
			}
		}
		return seen
	}
	most := func(seen int) bool { return seen*100 >= n*suspectShare }
	if seen := count(func(_ int, m model.MemberID) bool { return c.inTurn[m] }); seen > 1 && most(seen) {
		add("reciprocal", reciprocalWeight, "%d 位助力人中有 %d 位的红包也由发起人助力", n, seen)
	}
	if first, last := slices.Min(c.at), slices.Max(c.at); n >= burstHelps && last-first < model.Millis(n-1)*model.Millis(burstSpan.Milliseconds()) {
		add("burst", burstWeight, "%d 次助力在 %d 秒内完成", n, (last-first)/1000)
	}
	if seen := count(func(_ int, m model.MemberID) bool { return c.inside[m] > 1 && c.outside[m] == 0 }); seen >= cliqueHelps && most(seen) {
		add("clique", cliqueWeight, "%d 位助力人中有 %d 位只为圈内的红包助力", n, seen)
	}
	fresh := count(func(i int, m model.MemberID) bool {
		joined, known := c.joined[m]
		return known && c.at[i] < joined.Add(freshWithin)
	})
	if fresh > 1 && most(fresh) {
		add("fresh", freshWeight, "%d 位助力人中有 %d 位在注册后一小时内助力", n, fresh)
	}
	slices.SortStableFunc(s.Reasons, func(a, b Reason) int { return cmp.Compare(b.Points, a.Points) })
	return s
}
