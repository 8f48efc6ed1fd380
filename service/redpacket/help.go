package redpacket

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"kaimenhong/model"
	"kaimenhong/model/fault"
)

// HelpRequest is a friend's deliberate tap on 助力.
type HelpRequest struct {
	Pot     PotID
	Who     Visitor
	Request model.RequestID
	Shown   bool // agrees to be shown among the helpers
}

// Help is a help that stands: its slot and its share of the target.
type Help struct {
	Pot   PotID
	K     int // 1 to N, in the order of the shares
	N     int
	Share model.Fen
}

// attempt is one help while it is decided.
type attempt struct {
	HelpRequest
	pot  *facts
	game *Game
	now  model.Millis
	day  model.Day

	ids    []model.MemberID // that the helper played under, his own first
	perDay int              // helps that he may give on the day
}

func (a *attempt) helper() model.MemberID { return a.Who.Member.ID }

// owns tells whether the pot is the helper's own.
func (a *attempt) owns() bool { return a.helper() == a.game.joins.who(a.pot.owner) }

// answer is what the standing row says to this request: the same request gets its
// help again, another one of the same helper ErrAlreadyHelped beside it.
func (a *attempt) answer(s standing) (Help, error) {
	help := Help{Pot: a.pot.id, K: s.k, N: a.pot.n(), Share: s.share}
	if s.request != a.Request {
		return help, ErrAlreadyHelped
	}
	return help, nil
}

// answerOr is the answer of a row that was looked for, or why it could not be.
func (a *attempt) answerOr(s *standing, err error) (Help, error) {
	if err != nil {
		return Help{}, err
	}
	return a.answer(*s)
}

// errAgain asks for another look: something stands now that was not known before.
var errAgain = errors.New("decide anew")

// maxTries bounds how often one help is decided anew.
const maxTries = 40

// Help adds the visitor's help to a pot and answers after it is committed. Errors:
// ErrAlreadyHelped (with the help that stands), ErrUnknownPot, ErrOwnPot, ErrFull,
// ErrEnded, ErrDayLimit, ErrStopped, ErrTooFast, what the game demands of helpers, or
// Unavailable; after that one the same request is sent again.
func (e *Engine) Help(ctx context.Context, in HelpRequest) (Help, error) {
	ctx, cancel := context.WithTimeout(ctx, e.opts.Timeout)
	defer cancel()
	help, err := e.help(ctx, in)
	err = orUnavailable(err)
	e.met.helps.WithLabelValues(resultOf(err)).Inc()
	return help, err
}

func resultOf(err error) string {
	if err == nil {
		return "ok"
	}
	return fault.Of(err).Code
}

func (e *Engine) help(ctx context.Context, in HelpRequest) (Help, error) {
	a, err := e.newAttempt(ctx, in)
	if err != nil {
		return Help{}, err
	}
	if a.owns() {
		return Help{}, ErrOwnPot
	}
	if refusal := e.mayHelp(ctx, a); refusal != nil {
		return e.unlessStanding(ctx, a, refusal)
	}
	if own, err := e.joined(ctx, a); err != nil || own != nil {
		return a.answerOr(own, err)
	}
	for try := range maxTries {
		if ctx.Err() != nil {
			break
		}
		help, err := e.decide(ctx, a, try)
		if errors.Is(err, errAway) {
			help, err = e.decideInSQL(ctx, a)
		}
		if !errors.Is(err, errAgain) {
			return help, err
		}
	}
	return Help{}, ErrBusy
}

func (e *Engine) newAttempt(ctx context.Context, in HelpRequest) (*attempt, error) {
	if !in.Request.Valid() || in.Who.Member.ID <= 0 {
		return nil, ErrRequest
	}
	pot, err := e.pot(ctx, in.Pot)
	if err != nil {
		return nil, err
	}
	game, err := e.Game(ctx, pot.game)
	if err != nil {
		return nil, err
	}
	now := e.now()
	pot.touched.Store(now.UnixMilli())
	return &attempt{
		HelpRequest: in, pot: pot, game: &game, now: model.At(now), day: model.DayOf(now),
		ids: game.joins.all(in.Who.Member.ID), perDay: game.Rules.HelpsPerDay,
	}, nil
}

// mayHelp tells why the game refuses this helper now, whatever the pot holds.
func (e *Engine) mayHelp(ctx context.Context, a *attempt) error {
	if a.game.StoppedAt != 0 {
		return ErrStopped
	}
	if err := a.game.Rules.Help.admits(a.Who, a.game); err != nil {
		return err
	}
	return e.paced(ctx, "help", a.Who)
}

// paced asks the speed limits. They guard the machines, not the rules, so their own
// failure lets everybody pass, and their silence takes no more of the time that an
// action has than Redis may.
func (e *Engine) paced(ctx context.Context, action string, who Visitor) error {
	if e.opts.Pace == nil {
		return nil
	}
	asking, cancel := context.WithTimeout(ctx, e.opts.RedisTimeout)
	defer cancel()
	ok, err := e.opts.Pace.Allow(asking, action, who)
	if err != nil {
		e.log.WarnContext(ctx, "redpacket speed limits do not answer", "err", err)
		return nil
	}
	if !ok {
		return ErrTooFast
	}
	return nil
}

// unlessStanding refuses, unless this helper stands in the pot already: what was
// granted once is answered so for ever.
func (e *Engine) unlessStanding(ctx context.Context, a *attempt, refusal error) (Help, error) {
	own, err := e.own(ctx, a.pot.id, a.ids...)
	if err != nil {
		return Help{}, err
	}
	if own != nil {
		return a.answer(*own)
	}
	return Help{}, refusal
}

// decide asks Redis for a number of the day and a slot, and writes the row.
func (e *Engine) decide(ctx context.Context, a *attempt, try int) (Help, error) {
	if a.pot.complete.Load() != nil {
		return e.refuse(ctx, a)
	}
	nth, d, err := e.take(ctx, a)
	if err != nil {
		return Help{}, err
	}
	if nth == 0 {
		return e.limited(ctx, a)
	}
	switch d.code {
	case "MISSING": // forgotten again since it was merged
		return Help{}, errAgain
	case "ENDED":
		e.release(ctx, a, a.day, nth)
		return e.ended(ctx, a)
	case "FULL":
		e.release(ctx, a, a.day, nth)
		return e.full(ctx, a, try)
	case "AGAIN":
		return e.again(ctx, a, d, nth)
	}
	return e.write(ctx, a, &row{k: d.k, request: a.Request, day: a.day, nth: nth, shown: a.Shown})
}

// write commits one help and answers from the row that stands.
func (e *Engine) write(ctx context.Context, a *attempt, r *row) (Help, error) {
	if !a.pot.has(r.k) {
		return Help{}, e.mergeAndAgain(ctx, a.pot)
	}
	r.pot, r.game, r.helper, r.share, r.at = a.pot.id, a.pot.game, a.helper(), a.pot.share(r.k), a.now
	r.last = r.k == a.pot.n()
	if err := e.rows.write(ctx, r); err != nil {
		return Help{}, err
	}
	switch r.verdict {
	case stands:
		if r.standing.k != r.k {
			// Redis holds something else. The help stands; only later ones profit.
			if err := e.merge(ctx, a.pot); err != nil && !errors.Is(err, errAway) {
				return Help{}, err
			}
		}
		return a.answer(r.standing)
	case slotTaken:
		return Help{}, e.mergeAndAgain(ctx, a.pot)
	case nthTaken:
		if _, err := e.loadDay(ctx, a.helper(), a.pot.game, r.day); err != nil {
			return Help{}, err
		}
		return Help{}, errAgain
	}
	return Help{}, fmt.Errorf("row (%s, %d) was left undecided", a.pot.id, r.k)
}

// again handles a helper whom Redis knows: his row stands, or is written now as it
// was decided then.
func (e *Engine) again(ctx context.Context, a *attempt, d decision, nth int) (Help, error) {
	own, err := e.own(ctx, a.pot.id, a.helper())
	if err != nil {
		return Help{}, err
	}
	if own != nil {
		if own.day != a.day {
			e.release(ctx, a, a.day, nth)
		}
		if own.k != d.k {
			if err := e.merge(ctx, a.pot); err != nil && !errors.Is(err, errAway) {
				return Help{}, err
			}
		}
		return a.answer(*own)
	}
	if d.day != a.day {
		e.release(ctx, a, a.day, nth)
		if nth, err = e.takeNumber(ctx, a, d.day); err != nil {
			return Help{}, err
		}
		if nth == 0 {
			held, err := e.loadDay(ctx, a.helper(), a.pot.game, d.day)
			if err == nil && held >= a.perDay {
				err = e.unissue(ctx, a.pot.id, a.helper(), d.k)
			}
			return Help{}, cmp.Or(err, errAgain)
		}
	}
	return e.write(ctx, a, &row{k: d.k, request: d.request, day: d.day, nth: nth, shown: a.Shown && d.request == a.Request})
}

func (e *Engine) takeNumber(ctx context.Context, a *attempt, day model.Day) (int, error) {
	said, err := e.redis.run(ctx, dayScript, dayKey(a.helper(), a.pot.game, day), int64(a.pot.id), a.perDay)
	if err != nil {
		return 0, err
	}
	nth, ok := said.(int64)
	if !ok || nth < 0 || nth > int64(a.game.Rules.HelpsPerDay) {
		return 0, fmt.Errorf("%w: the day's script said %v", errAway, said)
	}
	return int(nth), nil
}

// release gives a number of the day back. When it fails the number is only lost
// until the day is loaded from SQL.
func (e *Engine) release(ctx context.Context, a *attempt, day model.Day, nth int) {
	_, _ = e.redis.run(ctx, releaseScript, dayKey(a.helper(), a.pot.game, day), int64(a.pot.id), nth)
}

func (e *Engine) unissue(ctx context.Context, pot PotID, helper model.MemberID, k int) error {
	e.met.redis.WithLabelValues("unissue").Inc()
	_, err := e.redis.run(ctx, unissueScript, pot.slotsKey(), int64(helper), k)
	return err
}

// decision is what Redis said about a help.
type decision struct {
	code    string
	k       int
	day     model.Day
	request model.RequestID
}

// readDecision reads the slot script's answer. What cannot be one is treated as if
// Redis had not answered.
func readDecision(said any) (decision, error) {
	text, _ := said.(string)
	code, rest, _ := strings.Cut(text, "|")
	d := decision{code: code}
	var ok bool
	switch code {
	case "MISSING", "ENDED", "FULL":
		ok = rest == ""
	case "OK":
		n, err := strconv.Atoi(rest)
		d.k, ok = n, err == nil
	case "AGAIN":
		d.k, d.day, d.request, ok = readHeld(rest)
	}
	if !ok {
		return decision{}, fmt.Errorf("%w: the slot's script said %q", errAway, text)
	}
	return d, nil
}

// readHeld reads k|day|request.
func readHeld(text string) (k int, day model.Day, request model.RequestID, ok bool) {
	a, rest, _ := strings.Cut(text, "|")
	b, c, _ := strings.Cut(rest, "|")
	slot, err := strconv.Atoi(a)
	n, err2 := strconv.ParseInt(b, 10, 32)
	request = model.RequestID(c)
	return slot, model.Day(n), request, err == nil && err2 == nil && n > 0 && request.Valid()
}
