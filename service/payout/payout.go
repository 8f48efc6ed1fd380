// Package payout brings prizes to those who won them.
//
// A payout is made in the transaction that says that a pot has won. A Payer takes it
// from there: points go through the ledger in one transaction; credit and data are
// attempts at the carrier under one bill number for ever, whose number, goods and
// hash are committed before the first byte is sent.
//
// Invariants: a pot has one payout, for ever; at most one attempt of a payout may
// still succeed or has succeeded; an attempt that may have reached the carrier is
// asked about before it is sent again, under the same number; a new number is taken
// only after the carrier said that the old one failed; no bill is written before the
// carrier said that nobody else got the phone number; paid and released are final.
//
//	created → (held → approved) → paying → paid
//	                                     → failed → approved | released
//	                                     → frozen → (a person) paid | failed
//	attempt: ready → submitting → processing | unknown | succeeded | failed | frozen
//
// A prize of another kind (a WeChat transfer, which its owner confirms) is one more
// courier and one more answer, Working, until he does.
//
// Tables: payout, payout_attempt, payout_review. No other package touches them.
package payout

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"kaimenhong/model"
	"kaimenhong/model/fault"
	"kaimenhong/service/payout/internal/db"
)

// State is where a payout is on its way.
type State string

// The states; Paid and Released are final.
const (
	Created  State = "created"  // booked, nothing was begun
	Held     State = "held"     // waits for a person: its pot looks suspicious
	Approved State = "approved" // a person let it go on
	Paying   State = "paying"   // an attempt is under way
	Paid     State = "paid"
	Failed   State = "failed"   // refused for good, waits for a person
	Frozen   State = "frozen"   // the carrier contradicts us, waits for a person
	Released State = "released" // given up; the budget has it back
)

// What is said of payouts.
var (
	ErrUnknownPayout = fault.New(fault.NotFound, "payout.unknown", "没有找到这份奖品")
	ErrState         = fault.New(fault.Conflict, "payout.state", "这份奖品的状态已变化，请刷新后再试")
	ErrEarly         = fault.New(fault.Conflict, "payout.early", "这份奖品可能还会到账，请稍后再认定没有办成")
	// ErrDenied is what Needs.Holders say when the carrier refuses our account.
	ErrDenied   = fault.New(fault.Unavailable, "payout.denied", "运营商没有受理我们的查询，请稍后再试")
	ErrDecision = fault.New(fault.Invalid, "payout.decision", "审核意见不完整")
)

// TopicSettled is the promise to tell a winner what became of his prize; its payload
// is a Settled.
const TopicSettled = "payout.settled"

// Settled is a payout that reached its end.
type Settled struct {
	Pot      model.ID        `json:"pot"`
	Game     model.ID        `json:"game"`
	Member   model.MemberID  `json:"member"`
	Kind     model.PrizeKind `json:"kind"`
	Quantity int64           `json:"quantity"`
	State    State           `json:"state"` // Paid or Released
}

// Payout is a prize on its way.
type Payout struct {
	Pot       model.ID
	Game      model.ID
	Member    model.MemberID
	Kind      model.PrizeKind
	Value     model.Fen
	Quantity  int64
	State     State
	Why       string // it waits, for people who review it
	CreatedAt model.Millis
	UpdatedAt model.Millis
}

func payoutOf(r db.Payout) Payout {
	return Payout{
		Pot: model.ID(r.PotID), Game: model.ID(r.GameID), Member: model.MemberID(r.MemberID), Kind: model.PrizeKind(r.Kind),
		Value: model.Fen(r.Value), Quantity: r.Quantity, State: State(r.State), Why: r.HeldWhy,
		CreatedAt: model.Millis(r.CreatedAt), UpdatedAt: model.Millis(r.UpdatedAt),
	}
}

func payoutsOf(rows []db.Payout) []Payout {
	out := make([]Payout, len(rows))
	for i, r := range rows {
		out[i] = payoutOf(r)
	}
	return out
}

// Prize is what the payout carries, as it was won.
func (p Payout) Prize() model.Prize {
	return model.Prize{Pot: p.Pot, Game: p.Game, Member: p.Member, Kind: p.Kind, Value: p.Value, Quantity: p.Quantity, At: p.CreatedAt}
}

// Book is the list of payouts.
type Book struct{}

// NewBook returns the book.
func NewBook() *Book { return &Book{} }

// CreateTx books the prizes within the transaction that says they were won. A pot
// that has a payout already is a duplicate key.
func (b *Book) CreateTx(ctx context.Context, tx *sql.Tx, prizes []model.Prize) error {
	if len(prizes) == 0 {
		return nil
	}
	query := []byte(`INSERT INTO payout (pot_id, game_id, member_id, kind, value, quantity, state, held_why, created_at, updated_at) VALUES `)
	var args []any
	for i, p := range prizes {
		if i > 0 {
			query = append(query, ',')
		}
		query = append(query, `(?,?,?,?,?,?,?,'',?,?)`...)
		args = append(args, int64(p.Pot), int64(p.Game), int64(p.Member), string(p.Kind), int64(p.Value), p.Quantity,
			string(Created), int64(p.At), int64(p.At))
	}
	if _, err := tx.ExecContext(ctx, string(query), args...); err != nil {
		return fmt.Errorf("book %d prizes: %w", len(prizes), err)
	}
	return nil
}

// Payout returns the payout of a pot. Errors: ErrUnknownPayout.
func (p *Payer) Payout(ctx context.Context, pot model.ID) (Payout, error) {
	row, err := p.q.Payout(ctx, int64(pot))
	if errors.Is(err, sql.ErrNoRows) {
		return Payout{}, ErrUnknownPayout
	}
	if err != nil {
		return Payout{}, fmt.Errorf("read payout %s: %w", pot, err)
	}
	return payoutOf(row), nil
}

// maxPots bounds the pots of one question.
const maxPots = 200

// OfPots returns the payouts of at most 200 pots, by pot; those that have none are
// left out.
func (p *Payer) OfPots(ctx context.Context, pots []model.ID) (map[model.ID]Payout, error) {
	if len(pots) == 0 {
		return map[model.ID]Payout{}, nil
	}
	if len(pots) > maxPots {
		return nil, fmt.Errorf("%d pots in one question, at most %d", len(pots), maxPots)
	}
	raw := make([]int64, len(pots))
	for i, id := range pots {
		raw[i] = int64(id)
	}
	rows, err := p.q.PayoutsByPot(ctx, raw)
	if err != nil {
		return nil, fmt.Errorf("read payouts: %w", err)
	}
	out := make(map[model.ID]Payout, len(rows))
	for _, r := range rows {
		out[model.ID(r.PotID)] = payoutOf(r)
	}
	return out, nil
}

// ErrNotWon is the answer to who claims what is not won.
var ErrNotWon = fault.New(fault.Conflict, "payout.not_won", "红包还没有凑满，凑满后才能领取")

// NeedsPhone tells that the payout waits until its winner has bound a number, also when
// a person has let it go on before.
func (v Payout) NeedsPhone() bool {
	return (v.State == Created || v.State == Approved) && v.Why == noPhone
}

// Claim is the winner's wish: a payout that waited for his number goes on now, any
// other is on its way by itself. A repeat changes nothing. Errors: ErrNotWon, also
// for what somebody else has won.
func (p *Payer) Claim(ctx context.Context, member model.MemberID, pot model.ID) (Payout, error) {
	v, err := p.Payout(ctx, pot)
	if errors.Is(err, ErrUnknownPayout) {
		return Payout{}, ErrNotWon
	}
	if err == nil && v.Member != member {
		err = p.became(ctx, v.Member, member)
	}
	if err != nil {
		return Payout{}, err
	}
	if !v.NeedsPhone() {
		return v, nil
	}
	return v, p.later(ctx, v, 0, v.Why)
}

// Hasten looks again at what waits for the number of a winner, who has bound one;
// winners are all the ids that he ever had. A repeat changes nothing.
func (p *Payer) Hasten(ctx context.Context, winners []model.MemberID) error {
	err := p.q.HastenPayouts(ctx, db.HastenPayoutsParams{NextAt: sql.NullInt64{Int64: p.millis(), Valid: true}, Winners: raw(winners), Why: noPhone})
	if err != nil {
		return fmt.Errorf("hasten the prizes of who has bound a number: %w", err)
	}
	return nil
}

func raw(members []model.MemberID) []int64 {
	ids := make([]int64, len(members))
	for i, id := range members {
		ids[i] = int64(id)
	}
	return ids
}

// shredPage bounds the bills that Close reads at a time.
const shredPage = 500

// Close forgets the numbers that the bills of a member name, by all the ids that he had,
// once he has closed his account. One that is not over, or not yet compared with the
// carrier's book, is still needed: whoever compares it forgets it. A repeat changes nothing.
func (p *Payer) Close(ctx context.Context, winners []model.MemberID) error {
	for range maxRounds {
		bills, err := p.q.NeedlessBills(ctx, db.NeedlessBillsParams{Winners: raw(winners), Limit: shredPage})
		if err != nil {
			return fmt.Errorf("list the bills of who left: %w", err)
		}
		for _, b := range bills {
			if err := p.shred(ctx, b.PotID, b.N); err != nil {
				return err
			}
		}
		if len(bills) < shredPage {
			break
		}
	}
	return nil
}

func (p *Payer) shred(ctx context.Context, pot int64, n int32) error {
	if err := p.q.ShredBill(ctx, db.ShredBillParams{PotID: pot, N: n}); err != nil {
		return fmt.Errorf("shred a bill of who left: %w", err)
	}
	return nil
}

// became is ErrNotWon unless the winner has become part of the member since.
func (p *Payer) became(ctx context.Context, winner, member model.MemberID) error {
	m, err := p.People.Current(ctx, winner, model.OfficialAccount)
	if err != nil && fault.KindOf(err) == fault.NotFound || err == nil && m.ID != member {
		return ErrNotWon // also when the winner has closed his account
	}
	if err != nil {
		return fmt.Errorf("find the winner: %w", err)
	}
	return nil
}
