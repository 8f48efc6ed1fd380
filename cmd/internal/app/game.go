package app

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"kaimenhong/config"
	"kaimenhong/model"
	"kaimenhong/model/fault"
	"kaimenhong/service/account"
	"kaimenhong/service/carrier"
	"kaimenhong/service/member"
	"kaimenhong/service/outbox"
	"kaimenhong/service/payout"
	"kaimenhong/service/points"
	"kaimenhong/service/redpacket"
)

// wonPoints is the ledger's rule for points that a pot has won.
var wonPoints = map[string]points.Rule{payout.SourcePoints: {Title: "红包奖励", Expiry: points.Expiry{Months: 12}}}

// game builds the envelopes and the way of their prizes.
func (d *domains) game(g ground) error {
	packs, err := packsOf(g.cfg)
	if err != nil {
		return err
	}
	d.redpacket = redpacket.New(redpacket.Stores{
		SQL: g.stores.db, Proofs: g.stores.proofs, Redis: g.stores.redis, Sealer: g.sealer, Payouts: payout.NewBook(),
	}, g.ids, g.now, g.log, g.reg, redpacket.Options{
		Pace: redpacket.NewRedisPace(g.stores.shared, redpacket.Paces{}), Moments: ended{d.outbox}, Audit: audit{d},
		Sold: func(megabytes int64) bool { return packs[megabytes] != "" },
		News: func(pot redpacket.PotID) { d.moments.news(pot) },
	})
	d.drain = append(d.drain, func(context.Context) error { d.redpacket.Close(); return nil })
	d.payer = payout.New(payout.Needs{
		SQL: g.stores.db, Proofs: g.stores.proofs, Courier: courier{d.carrier, d.account}, Ledger: d.points, People: d.members, Holders: winners{holders{d}},
		Judge: judge{d.redpacket, d.members}, Budget: treasury{d.redpacket}, Wins: wins{d.redpacket}, Outbox: d.outbox, Audit: audit{d},
		Sealer: g.sealer, IDs: g.ids, Now: g.now, Log: g.log, Metrics: g.reg,
	}, payout.Options{Packs: packs})
	d.moments = newMoments(d.redpacket, d.payer, d.push, moment{
		appID: g.cfg.WeChat.MiniAppID, page: g.cfg.Chat.RedpacketPage, template: g.cfg.WeChat.RedpacketTemplate,
	}, g.now, g.log)
	d.moments.thumb, d.moments.members = &thumb{client: d.wechat, now: g.now}, d.members
	d.background = append(d.background, d.moments.Run)
	return nil
}

// playing is the game for members who become one; it is built after them.
type playing struct{ *domains }

// JoinTx makes the two one player.
func (d playing) JoinTx(ctx context.Context, tx *sql.Tx, from, into model.MemberID) error {
	return d.redpacket.JoinTx(ctx, tx, from, into)
}

// packsOf reads 1024=OFFERING: the offering that gives so many megabytes.
func packsOf(cfg config.Config) (map[int64]string, error) {
	packs := map[int64]string{}
	for _, p := range cfg.Carrier.Packs {
		size, offering, ok := strings.Cut(p, "=")
		megabytes, err := strconv.ParseInt(size, 10, 64)
		if !ok || err != nil || megabytes <= 0 || offering == "" {
			return nil, fmt.Errorf("carrier.packs (%s): write MEGABYTES=OFFERING, as 1024=OF-DATA-1G", config.EnvironName("carrier.packs"))
		}
		packs[megabytes] = offering
	}
	return packs, nil
}

// courier hands prizes over at the carrier.
type courier struct {
	carrier *carrier.Client
	account *account.Service
}

// Deliver orders the goods under the bill's number, and forgets what was known of
// the phone number once they are there, so that its owner sees them.
func (c courier) Deliver(ctx context.Context, goods payout.Goods, bill model.RequestID, again bool) payout.Outcome {
	var receipt carrier.Receipt
	var err error
	if goods.Credit > 0 {
		receipt, err = c.carrier.TopUp(ctx, carrier.TopUp{Request: bill, Phone: goods.Phone, Amount: goods.Credit, Again: again})
	} else {
		receipt, err = c.carrier.Order(ctx, carrier.Order{Request: bill, Phone: goods.Phone, Offering: goods.Offering, Again: again})
	}
	out := answered(receipt, err)
	if out.Answer == payout.Delivered {
		c.account.Forget(ctx, goods.Phone)
	}
	return out
}

// Ask asks what the carrier's book says of a bill's number.
func (c courier) Ask(ctx context.Context, goods payout.Goods, bill model.RequestID) payout.Outcome {
	if goods.Credit > 0 {
		return answered(c.carrier.TopUpState(ctx, bill))
	}
	return answered(c.carrier.OrderState(ctx, bill))
}

// answered says what the carrier's answer means for a bill. Whatever is not certain
// is unclear.
func answered(r carrier.Receipt, err error) payout.Outcome {
	if err == nil {
		switch r.Progress {
		case carrier.Completed:
			return payout.Outcome{Answer: payout.Delivered, Receipt: r.ID}
		case carrier.Failed:
			return payout.Outcome{Answer: payout.Rejected, Receipt: r.ID, Why: "carrier.failed"}
		}
		return payout.Outcome{Answer: payout.Working, Receipt: r.ID}
	}
	out := payout.Outcome{Answer: payout.Unclear, Why: fault.Of(err).Code}
	switch {
	case errors.Is(err, carrier.ErrUnknownOutcome):
	case errors.Is(err, carrier.ErrReused):
		out.Answer = payout.Contradicted
	case errors.Is(err, carrier.ErrDenied):
		out.Answer = payout.Halted
	case errors.Is(err, carrier.ErrBusy), errors.Is(err, carrier.ErrUnavailable):
		out.Answer = payout.Unsent
	case errors.Is(err, carrier.ErrNoOrder):
		out.Answer = payout.Missing
	case errors.Is(err, carrier.ErrRefused), errors.Is(err, carrier.ErrInvalid), errors.Is(err, carrier.ErrNoSubscriber):
		out.Answer = payout.Refused
	}
	return out
}

// winners are the holders of numbers that prizes go to.
type winners struct{ holders }

// GivenAway tells the payer, too, that the carrier refuses our account.
func (w winners) GivenAway(ctx context.Context, phone model.Phone) (bool, error) {
	given, err := w.holders.GivenAway(ctx, phone)
	if errors.Is(err, carrier.ErrDenied) {
		err = payout.ErrDenied.With(err)
	}
	return given, err
}

// judge holds the payouts of suspicious pots.
type judge struct {
	engine  *redpacket.Engine
	members *member.Members
}

// Hold tells whether a pot's payout waits for a person, and why.
func (j judge) Hold(ctx context.Context, pot model.ID) (bool, string, error) {
	score, err := j.engine.Score(ctx, redpacket.PotID(pot), joined{j.members})
	if err != nil || !score.Hold() {
		return false, "", err
	}
	why := make([]string, len(score.Reasons))
	for i, r := range score.Reasons {
		why[i] = r.Text
	}
	return true, strings.Join(why, "；"), nil
}

// joined tells since when members exist; those who closed their account are left out.
type joined struct{ *member.Members }

// JoinedAt looks the members up one by one: they are at most the first 200 of a pot.
func (m joined) JoinedAt(ctx context.Context, members []model.MemberID) (map[model.MemberID]model.Millis, error) {
	found := make(map[model.MemberID]model.Millis, len(members))
	for _, id := range members {
		got, err := m.Get(ctx, id, model.MiniProgram)
		if errors.Is(err, member.ErrUnknown) {
			continue
		}
		if err != nil {
			return nil, err
		}
		found[id] = got.JoinedAt
	}
	return found, nil
}

// treasury is the games' budgets for the payouts.
type treasury struct{ *redpacket.Engine }

// ReleasesFailed tells what a game does with a prize that cannot be handed over.
func (t treasury) ReleasesFailed(ctx context.Context, game model.ID) (bool, error) {
	found, err := t.Game(ctx, redpacket.GameID(game))
	return found.Rules.ReleaseFailed, err
}

// audit is the operators' audit, which is built after the game.
type audit struct{ *domains }

// RecordTx keeps a line of what an operator did.
func (d audit) RecordTx(ctx context.Context, tx *sql.Tx, e model.AuditEntry) error {
	return d.operators.RecordTx(ctx, tx, e)
}

// wins is what pots have won, for the comparison with the payouts.
type wins struct{ *redpacket.Engine }

// Prizes lists what was won, by pot.
func (w wins) Prizes(ctx context.Context, after model.ID, limit int) ([]model.Prize, error) {
	return w.Won(ctx, redpacket.PotID(after), limit)
}

// Returned lists what came back to the budgets, by pot.
func (w wins) Returned(ctx context.Context, after model.ID, limit int) ([]model.Prize, error) {
	return w.Engine.Returned(ctx, redpacket.PotID(after), limit)
}

// topicEnded is the promise to tell of a pot's end, which thanks the first helpers of one
// that is full; topicThanks are those to thank the others.
const (
	topicEnded  = "redpacket.ended"
	topicThanks = "redpacket.thanks"
)

// ended promises to tell of pots that end, in the transaction that ends them.
type ended struct{ outbox *outbox.Outbox }

// EndedTx makes one promise for each pot, and more for one of many helpers.
func (e ended) EndedTx(ctx context.Context, tx *sql.Tx, pots []redpacket.Ended) error {
	promises, owed := make([]outbox.Promise, len(pots)), []outbox.Promise{}
	for i, pot := range pots {
		request := "pot-" + pot.Pot.String()
		promises[i] = outbox.Promise{Request: model.RequestID(request), Payload: pot}
		for after := maxThanked; pot.State == redpacket.Filled && after < pot.Helps; after += maxThanked {
			owed = append(owed, outbox.Promise{Request: model.RequestID(request + "-" + strconv.Itoa(after)), Payload: thanks{pot.Pot, pot.Game, after}})
		}
	}
	if err := e.outbox.AddAllTx(ctx, tx, topicEnded, promises); err != nil {
		return err
	}
	return e.outbox.AddAllTx(ctx, tx, topicThanks, owed)
}
