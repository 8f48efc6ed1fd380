package payout

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"kaimenhong/model"
	"kaimenhong/model/fault"
	"kaimenhong/model/seal"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/payout/internal/db"
)

// maxRounds bounds one run of Due.
const maxRounds = 500

// Due does what is due about every payout: begins the new ones and goes on with
// those under way. It returns how many it moved. Any number of replicas may run it
// at once, and it may be stopped at any point. Trouble with our account at the
// carrier ends the run and stops the queue for a while; the items stand as they
// are.
func (p *Payer) Due(ctx context.Context) (int, error) {
	if p.standsStill() {
		return 0, nil
	}
	moved, failed := 0, error(nil)
	for _, round := range []func() (int, int, error){
		func() (int, int, error) { return p.beginRound(ctx, Approved) },
		func() (int, int, error) { return p.beginRound(ctx, Created) },
		func() (int, int, error) { return p.goOnRound(ctx) },
	} {
		n, err := p.rounds(ctx, round) // what fails here keeps nothing of what comes next
		moved, failed = moved+n, errors.Join(failed, err)
	}
	if n := p.untold.Swap(0); n > 0 { // one line, however many wait
		p.Log.WarnContext(ctx, "prizes wait for the carrier's word on who holds their numbers", "prizes", n)
	}
	return moved, errors.Join(failed, p.look(ctx))
}

func (p *Payer) standsStill() bool {
	still := p.millis() < p.pausedUntil.Load()
	if !still {
		p.paused.Set(0)
	}
	return still
}

// halt stops the queue of this process.
func (p *Payer) halt(ctx context.Context, why string) {
	p.pausedUntil.Store(int64(model.At(p.Now().Add(p.opts.Pause))))
	p.paused.Set(1)
	p.Log.ErrorContext(ctx, "payouts stopped: the carrier refuses our account", "why", why, "pause", p.opts.Pause)
}

// rounds repeats a round until it finds less than a batch or moves nothing.
func (p *Payer) rounds(ctx context.Context, round func() (found, moved int, err error)) (int, error) {
	all, failed := 0, error(nil)
	for range maxRounds {
		found, moved, err := round()
		all, failed = all+moved, errors.Join(failed, err)
		if found < p.opts.Batch || moved == 0 || p.standsStill() || ctx.Err() != nil {
			break
		}
	}
	return all, failed
}

func (p *Payer) beginRound(ctx context.Context, state State) (found, moved int, err error) {
	rows, err := p.q.DueNew(ctx, db.DueNewParams{State: string(state), Now: sql.NullInt64{Int64: p.millis(), Valid: true}, Limit: int32(p.opts.Batch)})
	if err != nil {
		return 0, 0, fmt.Errorf("list new payouts: %w", err)
	}
	moved, err = each(ctx, p, rows, func(r db.Payout) (bool, error) { return p.beginOrLater(ctx, payoutOf(r)) })
	return len(rows), moved, err
}

// beginOrLater is begin; what fails there, a panic included, leaves its place among the
// first of the list for a while.
func (p *Payer) beginOrLater(ctx context.Context, v Payout) (ok bool, err error) {
	err = model.Guarded(func() (err error) {
		ok, err = p.begin(ctx, v)
		return err
	})
	if err != nil {
		err = errors.Join(err, p.later(ctx, v, time.Minute, fault.Of(err).Code))
	}
	return ok, err
}

func (p *Payer) goOnRound(ctx context.Context) (found, moved int, err error) {
	rows, err := p.q.DueAttempts(ctx, db.DueAttemptsParams{Now: p.millis(), Limit: int32(p.opts.Batch)})
	if err != nil {
		return 0, 0, fmt.Errorf("list due attempts: %w", err)
	}
	moved, err = each(ctx, p, rows, func(r db.PayoutAttempt) (bool, error) { return p.submit(ctx, r) })
	return len(rows), moved, err
}

// each works through the items with a bounded number of workers. One that fails, a
// panic included, is logged and keeps none of the others; the error says how many did.
func each[T any](ctx context.Context, p *Payer, items []T, do func(T) (bool, error)) (int, error) {
	var workers sync.WaitGroup
	var moved, failed atomic.Int64
	queue := make(chan T)
	for range min(p.opts.Workers, len(items)) {
		workers.Go(func() {
			for item := range queue {
				if p.standsStill() {
					continue // it was handed out before the queue stopped
				}
				var ok bool
				err := model.Guarded(func() (err error) {
					ok, err = do(item)
					return err
				})
				if err != nil && ctx.Err() == nil { // a process that ends did not fail
					failed.Add(1)
					p.Log.ErrorContext(ctx, "payout not moved", "error", err)
				}
				var panicked *model.Panic
				if errors.As(err, &panicked) {
					p.Log.ErrorContext(ctx, "panic", "part", "payout", "stack", string(panicked.Stack))
				}
				if ok {
					moved.Add(1)
				}
			}
		})
	}
	for _, item := range items {
		if ctx.Err() != nil || p.standsStill() {
			break
		}
		queue <- item
	}
	close(queue)
	workers.Wait()
	if n := failed.Load(); n > 0 {
		return int(moved.Load()), fmt.Errorf("%d payouts could not be moved", n)
	}
	return int(moved.Load()), ctx.Err()
}

// begin takes up a payout that nothing was begun for.
func (p *Payer) begin(ctx context.Context, v Payout) (bool, error) {
	if v.State == Created {
		hold, why, err := p.Judge.Hold(ctx, v.Pot)
		if err != nil {
			return false, fmt.Errorf("judge pot %s: %w", v.Pot, err)
		}
		if hold {
			return p.move(ctx, v, Held, why)
		}
	}
	if v.Kind == model.PointsPrize {
		return p.earn(ctx, v)
	}
	goods, why, err := p.goods(ctx, v)
	switch {
	case err != nil:
		return false, err
	case why == noPhone && model.At(p.Now()) < v.CreatedAt.Add(p.opts.NoPhone):
		return false, p.untilBound(ctx, v)
	case why == noHolder:
		return false, p.later(ctx, v, time.Minute, why)
	case why != "":
		return p.fail(ctx, v, why)
	}
	attempt, err := p.bill(ctx, v, goods)
	if err != nil || attempt == nil {
		return false, err
	}
	_, err = p.submit(ctx, *attempt)
	return true, err
}

// Why a payout cannot be handed over.
const (
	noPhone  = "payout.no_phone"  // no number is bound, yet
	noHolder = "payout.no_holder" // nobody knows whose the number is, now
	noPack   = "payout.no_pack"   // no offering of this size is set
	noMember = "payout.no_member" // he has closed his account
	noKind   = "payout.no_kind"
)

// goods says what the carrier is asked for; why is the reason when it cannot be.
func (p *Payer) goods(ctx context.Context, v Payout) (g Goods, why string, err error) {
	switch v.Kind {
	case model.PhoneCreditPrize:
		g.Credit = model.Fen(v.Quantity)
	case model.DataPrize:
		if g.Offering = p.opts.Packs[v.Quantity]; g.Offering == "" {
			return g, noPack, nil
		}
	default:
		return g, noKind, nil
	}
	m, err := p.People.Current(ctx, v.Member, model.OfficialAccount)
	if err != nil && fault.KindOf(err) == fault.NotFound {
		return g, noMember, nil
	}
	if err != nil {
		return g, "", fmt.Errorf("find the winner: %w", err)
	}
	if !m.Bound() {
		return g, noPhone, nil
	}
	g.Phone = m.Phone
	return g, p.notHis(ctx, m.Phone), nil
}

// untilBound puts a prize off until its winner binds a number, which hastens what is noted
// to wait for one. Whoever bound it between the look and the note is looked at again now.
func (p *Payer) untilBound(ctx context.Context, v Payout) error {
	if err := p.later(ctx, v, time.Hour, noPhone); err != nil {
		return err
	}
	m, err := p.People.Current(ctx, v.Member, model.OfficialAccount)
	switch {
	case err != nil && fault.KindOf(err) == fault.NotFound:
		return nil // he closed his account: the next look says so
	case err != nil:
		return fmt.Errorf("find the winner again: %w", err)
	case m.Bound():
		return p.later(ctx, v, 0, noPhone)
	}
	return nil
}

// notHis says why a number does not get its winner's prize: it was given to somebody
// else, or the carrier does not say.
func (p *Payer) notHis(ctx context.Context, phone model.Phone) (why string) {
	ctx, cancel := context.WithTimeout(ctx, p.opts.Timeout)
	defer cancel()
	given, err := p.Holders.GivenAway(ctx, phone)
	switch {
	case err != nil:
		p.untold.Add(1)
		p.Log.DebugContext(ctx, "a prize waits for the carrier's word on who holds its number", "error", err)
		if errors.Is(err, ErrDenied) {
			p.halt(ctx, fault.Of(err).Code)
		}
		return noHolder
	case given:
		return noPhone
	}
	return ""
}

// earn books points: the payout's end and the ledger's posting are one transaction.
func (p *Payer) earn(ctx context.Context, v Payout) (bool, error) {
	err := sqldb.InTx(ctx, p.SQL, func(tx *sql.Tx) error {
		if err := p.moveTx(ctx, tx, v, Paid, ""); err != nil {
			return err
		}
		_, err := p.Ledger.EarnTx(ctx, tx, v.Member, SourcePoints, model.Points(v.Quantity),
			model.Ref{Type: "pot", ID: v.Pot.String()}, model.RequestID("payout-"+v.Pot.String()))
		return err
	})
	switch {
	case errors.Is(err, ErrState):
		return false, nil // somebody else was quicker
	case err == nil:
		p.outcomes.WithLabelValues(string(v.Kind), "succeeded").Inc()
		return true, nil
	}
	switch fault.KindOf(err) {
	case fault.Internal, fault.Limited, fault.Unavailable:
		return false, fmt.Errorf("earn the points of pot %s: %w", v.Pot, err)
	}
	return p.fail(ctx, v, fault.Of(err).Code)
}

// order is the body of a bill: what is sent is made of it alone.
type order struct {
	Version  int       `json:"v"`
	Phone    string    `json:"phone"`
	Credit   model.Fen `json:"credit,omitempty"`
	Offering string    `json:"offering,omitempty"`
}

const orderVersion = 1

// bill writes the attempt with its number and body, and that the payout is under
// way. nil when somebody else was quicker.
func (p *Payer) bill(ctx context.Context, v Payout, g Goods) (*db.PayoutAttempt, error) {
	body, err := json.Marshal(order{orderVersion, g.Phone.Digits(), g.Credit, g.Offering})
	if err != nil {
		return nil, fmt.Errorf("write a bill: %w", err)
	}
	hash := sha256.Sum256(body)
	var a db.PayoutAttempt
	err = sqldb.InTx(ctx, p.SQL, func(tx *sql.Tx) error {
		q, now := db.New(tx), p.millis()
		if err := p.moveTx(ctx, tx, v, Paying, ""); err != nil {
			return err
		}
		earlier, err := q.Attempts(ctx, int64(v.Pot))
		if err != nil {
			return err
		}
		n := int32(len(earlier) + 1)
		a = db.PayoutAttempt{
			PotID: int64(v.Pot), N: n, BillNo: fmt.Sprintf("P%s-%d", v.Pot, n), BodyHash: hex.EncodeToString(hash[:]),
			Body:  p.Sealer.SealText(body, seal.Bind(bodyColumn, int64(v.Pot), int64(n))),
			State: string(ready), NextAt: now,
		}
		return q.AddAttempt(ctx, db.AddAttemptParams{PotID: a.PotID, N: a.N, BillNo: a.BillNo, Body: a.Body, BodyHash: a.BodyHash, CreatedAt: now})
	})
	if errors.Is(err, ErrState) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("bill pot %s: %w", v.Pot, err)
	}
	return &a, nil
}

// open reads what a bill asks for, and refuses a body that is not the one that was
// written.
func (p *Payer) open(a db.PayoutAttempt) (Goods, error) {
	body, err := p.Sealer.OpenText(a.Body, seal.Bind(bodyColumn, a.PotID, int64(a.N)))
	if err != nil {
		return Goods{}, fmt.Errorf("open bill %s: %w", a.BillNo, err)
	}
	if hash := sha256.Sum256(body); hex.EncodeToString(hash[:]) != a.BodyHash {
		return Goods{}, fmt.Errorf("bill %s is not what was written", a.BillNo)
	}
	var o order
	if err := json.Unmarshal(body, &o); err != nil {
		return Goods{}, fmt.Errorf("read bill %s: %w", a.BillNo, err)
	}
	phone, err := model.ParsePhone(o.Phone)
	if err != nil {
		return Goods{}, fmt.Errorf("read bill %s: %w", a.BillNo, err)
	}
	return Goods{phone, o.Credit, o.Offering}, nil
}

// submit leases the attempt, asks the courier and writes what became of it.
func (p *Payer) submit(ctx context.Context, a db.PayoutAttempt) (bool, error) {
	goods, err := p.open(a)
	if err != nil { // a key is missing, or somebody changed the row: it must not keep the others
		at := int64(model.At(p.Now().Add(p.opts.LongGap)))
		return false, errors.Join(err, p.q.DelayAttempt(ctx, db.DelayAttemptParams{NextAt: at, PotID: a.PotID, N: a.N, WasAt: a.NextAt}))
	}
	// Whoever held a lease that ran out may have sent it.
	again := a.Again || attemptState(a.State) != ready
	token, now := rand.Text(), p.Now()
	won, err := p.q.LeaseAttempt(ctx, db.LeaseAttemptParams{
		Again: again, Tries: a.Tries + 1, Token: token, LeaseUntil: int64(model.At(now.Add(2 * p.opts.Timeout))), Now: int64(model.At(now)),
		PotID: a.PotID, N: a.N, FromState: a.State, FromTries: a.Tries,
	})
	if err != nil || won == 0 {
		return false, err
	}
	a.Tries, a.Again, a.LeaseToken = a.Tries+1, again, token
	// The call ends before its lease does, so that nobody takes it up meanwhile.
	callCtx, cancel := context.WithTimeout(ctx, p.opts.Timeout)
	out := p.Courier.Deliver(callCtx, goods, model.RequestID(a.BillNo), again)
	cancel()
	// What happened is written, also when the run has ended.
	writeCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), p.opts.Timeout/2)
	defer cancel()
	return true, p.settle(writeCtx, a, out)
}
