package redpacket

import (
	"cmp"
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"math/big"
	mrand "math/rand/v2"
	"slices"
	"time"

	"kaimenhong/model"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/redpacket/internal/db"
)

// OpenRequest is a member's wish to open a pot.
type OpenRequest struct {
	Game    GameID
	Who     Visitor
	Request model.RequestID
}

// Opened is a pot as its owner gets it: everything that must stand on the first
// screen before it is shared.
type Opened struct {
	Pot        PotID
	Game       GameID
	Helps      int
	Target     model.Fen
	Amounts    []model.Fen // of the helps, sorted; only their order is hidden
	Commitment string      // hex
	EndsAt     model.Millis
}

// Open opens a pot and reserves its target. The same request of the same owner gets
// the same pot. Errors: ErrUnknownGame, ErrNotBegun, ErrGameEnded, ErrStopped,
// ErrPotsLimit, ErrBudget, ErrTooFast, ErrRequestReused, what the game demands of
// owners, or Unavailable; after that one the same request is sent again.
func (e *Engine) Open(ctx context.Context, in OpenRequest) (Opened, error) {
	ctx, cancel := context.WithTimeout(ctx, e.opts.Timeout)
	defer cancel()
	opened, err := e.open(ctx, in)
	err = orUnavailable(err)
	e.met.opened.WithLabelValues(resultOf(err)).Inc()
	return opened, err
}

func (e *Engine) open(ctx context.Context, in OpenRequest) (Opened, error) {
	if !in.Request.Valid() || in.Who.Member.ID <= 0 {
		return Opened{}, ErrRequest
	}
	game, err := e.Game(ctx, in.Game)
	if err != nil {
		return Opened{}, err
	}
	refusal := game.open(model.At(e.now()))
	if refusal == nil {
		refusal = game.Rules.Open.admits(in.Who, &game)
	}
	if refusal == nil {
		refusal = e.paced(ctx, "open", in.Who)
	}
	if refusal != nil {
		return e.unlessOpened(ctx, &game, in, refusal)
	}
	o := e.newOpening(&game, in)
	if err := e.opener.do(ctx, o); err != nil {
		return Opened{}, err
	}
	return e.openedOf(ctx, o.id)
}

// unlessOpened refuses, unless this request has opened its pot already.
func (e *Engine) unlessOpened(ctx context.Context, game *Game, in OpenRequest, refusal error) (Opened, error) {
	row, err := e.q.PotOfRequest(ctx, db.PotOfRequestParams{
		Owners: rawMembers(game.joins.all(in.Who.Member.ID)), RequestID: string(in.Request),
	})
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return Opened{}, refusal
	case err != nil:
		return Opened{}, fmt.Errorf("look for the request's pot: %w", err)
	case GameID(row.GameID) != in.Game:
		return Opened{}, ErrRequestReused
	}
	return e.openedOf(ctx, PotID(row.ID))
}

func (e *Engine) openedOf(ctx context.Context, id PotID) (Opened, error) {
	f, err := e.pot(ctx, id)
	if err != nil {
		return Opened{}, err
	}
	return Opened{
		Pot: id, Game: f.game, Helps: f.n(), Target: f.target, Amounts: sorted(f.shares),
		Commitment: f.commitment, EndsAt: f.ends,
	}, nil
}

// opening is a pot on its way into SQL.
type opening struct {
	game    *Game
	owner   model.MemberID
	request model.RequestID
	id      PotID // of the pot that stands in the end
	target  model.Fen
	seed    []byte
	sealed  string
	at      model.Millis
	nth     int
	slice   int
	twin    *opening // the same request earlier in the group: its outcome is ours
	err     error
	done    chan struct{}
}

func (e *Engine) newOpening(game *Game, in OpenRequest) *opening {
	o := &opening{
		game: game, owner: in.Who.Member.ID, request: in.Request, id: PotID(e.ids.Next()),
		target: drawTarget(game.Rules.Amounts), at: model.At(e.now()), done: make(chan struct{}),
	}
	o.seed, o.sealed = e.newSeed(o.id)
	return o
}

// drawTarget picks an amount by its weight. It is drawn before the pot exists and
// shown at once, so nothing that comes later hangs on luck.
func drawTarget(amounts []Amount) model.Fen {
	var weights int64
	for _, a := range amounts {
		weights += int64(a.Weight)
	}
	n, _ := rand.Int(rand.Reader, big.NewInt(weights)) // never fails, see newSeed
	at := n.Int64()
	for _, a := range amounts {
		if at -= int64(a.Weight); at < 0 {
			return a.Target
		}
	}
	return amounts[len(amounts)-1].Target
}

const openBatch = 256 // openings in one transaction at most

// opener opens pots in groups, so that the budget's rows are locked once for many.
type opener struct {
	engine *Engine
	queue  chan *opening
}

func newOpener(e *Engine, queue int) *opener {
	return &opener{engine: e, queue: make(chan *opening, queue)}
}

func (p *opener) do(ctx context.Context, o *opening) error {
	select {
	case p.queue <- o:
	default:
		return ErrBusy
	}
	select {
	case <-o.done:
		return o.err
	case <-ctx.Done():
		return ErrBusy.With(ctx.Err())
	}
}

func (p *opener) loop(stop <-chan struct{}) {
	batch := make([]*opening, 0, openBatch)
	for {
		batch = queued(p.queue, batch[:0], openBatch, stop)
		if len(batch) == 0 {
			return
		}
		games := make(map[GameID][]*opening)
		for _, o := range batch {
			games[o.game.ID] = append(games[o.game.ID], o)
		}
		for _, group := range games {
			p.openGroup(group)
		}
		for _, o := range batch {
			close(o.done)
		}
	}
}

// openGroup opens pots of one game. A duplicate means that another process was
// first, an unknown COMMIT that nobody knows: both are done anew from what stands,
// with the same ids.
func (p *opener) openGroup(group []*opening) {
	ctx, cancel := context.WithTimeout(context.Background(), commitTimeout)
	defer cancel()
	var err error
	for attempt := range commitAttempts {
		var fresh []*opening
		err = sqldb.InTx(ctx, p.engine.db, func(tx *sql.Tx) error {
			var err error
			fresh, err = p.openTx(ctx, tx, group)
			return err
		})
		if err == nil {
			for _, o := range fresh {
				p.engine.remember(o)
			}
			for _, o := range group {
				if o.twin != nil {
					o.id, o.err = o.twin.id, o.twin.err
				}
			}
			return
		}
		pause(ctx, attempt)
	}
	for _, o := range group {
		o.err = ErrBusy.With(err)
	}
}

// remember keeps the facts of a new pot, which saves its first reader the SELECT.
func (e *Engine) remember(o *opening) {
	rules := o.game.Rules
	f := &facts{
		id: o.id, game: o.game.ID, owner: o.owner, target: o.target, split: rules.Split, slice: o.slice,
		seed: o.seed, shares: sharesOf(o.seed, rules.Helps, o.target, rules.Split), opened: o.at, ends: o.ends(),
	}
	f.commitment = o.commitment()
	f.fresh.Store(true)
	e.pots.Set(o.id, f)
}

func (o *opening) ends() model.Millis {
	return min(o.at.Add(time.Duration(o.game.Rules.PotHours)*time.Hour), o.game.Rules.EndsAt)
}

func (o *opening) commitment() string {
	return commitmentOf(o.id, o.game.Rules.Helps, o.target, o.game.Rules.Split, o.seed)
}

// openTx decides every opening of the group and inserts the new ones; they are
// returned.
func (p *opener) openTx(ctx context.Context, tx *sql.Tx, group []*opening) ([]*opening, error) {
	q := p.engine.q.WithTx(tx)
	fresh, err := p.admit(ctx, q, group)
	if err != nil || len(fresh) == 0 {
		return nil, err
	}
	game := group[0].game.ID
	rows, err := q.Slices(ctx, int64(game))
	if err != nil {
		return nil, fmt.Errorf("read the budget: %w", err)
	}
	budget := make([]slice, len(rows))
	for i, row := range rows {
		budget[i] = slice{id: int(row.Slice), free: model.Fen(row.Amount - row.Reserved - row.Spent)}
	}
	targets := make([]model.Fen, len(fresh))
	for i, o := range fresh {
		targets[i] = o.target
	}
	start := mrand.N(max(len(budget), 1))
	where := place(budget, targets, start)
	paid := fresh[:0]
	for i, o := range fresh {
		if o.slice = where[i]; o.slice < 0 {
			o.settleForLess(budget, start)
		}
		if o.slice < 0 {
			o.err = ErrBudget
		} else {
			paid = append(paid, o)
		}
	}
	if len(paid) == 0 {
		return nil, nil
	}
	if err := insertPots(ctx, tx, paid); err != nil {
		return nil, err
	}
	for _, s := range changed(budget) {
		n, err := q.ReserveSlice(ctx, db.ReserveSliceParams{
			Moved: int64(s.moved), More: int64(s.more), GameID: int64(game), Slice: int32(s.id),
		})
		if err != nil {
			return nil, fmt.Errorf("reserve the budget: %w", err)
		}
		if n != 1 {
			return nil, errRace // somebody reserved it since it was read
		}
	}
	return paid, nil
}

// settleForLess draws again among the amounts that the budget can still bear: 已发完 is
// said only when it can bear none.
func (o *opening) settleForLess(budget []slice, start int) {
	var free model.Fen
	for _, s := range budget {
		free += s.free
	}
	left := slices.DeleteFunc(slices.Clone(o.game.Rules.Amounts), func(a Amount) bool { return a.Target > free })
	if len(left) > 0 {
		o.target = drawTarget(left)
		o.slice = place(budget, []model.Fen{o.target}, start)[0]
	}
}

// ownerRequest names a request of an owner.
type ownerRequest struct {
	owner   model.MemberID
	request model.RequestID
}

// ownerNumber is a pot's number among its owner's.
type ownerNumber struct {
	owner model.MemberID
	nth   int
}

// admit tells repeated requests from new ones and gives each new pot its number
// among its owner's; the new ones that are within the limit are returned.
func (p *opener) admit(ctx context.Context, q *db.Queries, group []*opening) ([]*opening, error) {
	params := db.PotsOfOwnersParams{GameID: int64(group[0].game.ID)}
	joined := group[0].game.joins
	for _, o := range group {
		params.Owners = append(params.Owners, rawMembers(joined.all(o.owner))...)
		params.Requests = append(params.Requests, string(o.request))
	}
	rows, err := q.PotsOfOwners(ctx, params)
	if err != nil {
		return nil, fmt.Errorf("read the owners' pots: %w", err)
	}
	standing := make(map[ownerRequest]db.PotsOfOwnersRow)
	taken := make(map[ownerNumber]bool)
	before := make(map[model.MemberID]int) // pots that he opened as somebody else
	for _, row := range rows {
		raw := model.MemberID(row.OwnerID)
		owner := joined.who(raw)
		if key := (ownerRequest{owner, model.RequestID(row.RequestID)}); raw == owner || standing[key].ID == 0 {
			standing[key] = row
		}
		switch {
		case row.GameID != params.GameID:
		case raw == owner:
			taken[ownerNumber{owner, int(row.Nth)}] = true
		default:
			before[owner]++
		}
	}
	first := make(map[ownerRequest]*opening)
	var fresh []*opening
	for _, o := range group {
		key := ownerRequest{o.owner, o.request}
		o.err, o.twin = nil, first[key]
		if o.twin != nil {
			continue
		}
		first[key] = o
		if row, ok := standing[key]; ok {
			if o.id = PotID(row.ID); row.GameID != params.GameID {
				o.err = ErrRequestReused
			}
			continue
		}
		for o.nth = 1; taken[ownerNumber{o.owner, o.nth}]; {
			o.nth++
		}
		if o.nth+before[o.owner] > o.game.Rules.PotsEach {
			o.err = ErrPotsLimit
			continue
		}
		taken[ownerNumber{o.owner, o.nth}] = true
		fresh = append(fresh, o)
	}
	return fresh, nil
}

const insertPotsHead = `INSERT INTO pot (id, game_id, owner_id, nth, request_id, n, target, split, slice, seed_sealed, commitment, state, ends_at, created_at, done_at, helps, won, took) VALUES `

func insertPots(ctx context.Context, tx *sql.Tx, pots []*opening) error {
	slices.SortFunc(pots, func(a, b *opening) int { return cmp.Compare(a.id, b.id) })
	b := []byte(insertPotsHead)
	var args []any
	for i, o := range pots {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, "(?,?,?,?,?,?,?,?,?,?,?,'open',?,?,0,0,0,0)"...)
		rules := o.game.Rules
		args = append(args, int64(o.id), int64(o.game.ID), int64(o.owner), o.nth, string(o.request), rules.Helps,
			int64(o.target), string(rules.Split), o.slice, o.sealed, o.commitment(), int64(o.ends()), int64(o.at))
	}
	_, err := tx.ExecContext(ctx, string(b), args...)
	return err
}
