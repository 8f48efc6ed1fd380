package mall

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"kaimenhong/model"
	"kaimenhong/model/seal"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/mall/internal/db"
)

// Order is what a member asks for.
type Order struct {
	Member  model.MemberID
	Gift    model.ID
	Phone   model.Phone  // his bound number; of carrier gifts the one that gets it
	Address Address      // of physical gifts
	Price   model.Points // that he was shown; 0: whatever it costs
	Fen     model.Fen    // likewise beside Price; 0: nothing
	Request model.RequestID
}

// Address is where a parcel goes.
type Address struct {
	Name  string `json:"name"`
	Phone string `json:"phone"`
	Text  string `json:"text"`
}

// minDigits is how many digits a number has at least that a courier can call.
const minDigits = 7

// reachable tells whether a courier can find and call whoever lives there.
func (a Address) reachable() bool {
	digits := 0
	for _, r := range a.Phone {
		if r >= '0' && r <= '9' {
			digits++
		}
	}
	named, placed := fits(strings.TrimSpace(a.Name), 32), fits(strings.TrimSpace(a.Text), 200)
	return named && placed && fits(a.Phone, 32) && digits >= minDigits
}

// delivery is what is sealed in a redemption.
type delivery struct {
	Phone   string  `json:"phone,omitempty"`
	Address Address `json:"address"`
}

// payTime is how long points are held while money is being paid.
const payTime = 30 * time.Minute

// maxTries bounds how often a redemption is decided anew because the gift was edited
// or the member redeemed it elsewhere in between.
const maxTries = 4

// errAgain says that the redemption must be decided anew.
var errAgain = errors.New("the gift or the member's count changed meanwhile")

// Redeem takes the points and promises the gift. A gift for points and money is
// Paying: its points are held until Paid or Unpaid. A card or coupon is handed over
// at once, the carrier's goods by FulfilDue, or Fulfil for who cannot wait.
//
// Errors: ErrNoGift, ErrOffSale, ErrSoldOut, ErrPrice, ErrTier, ErrLimit, ErrPhone, also of a
// number that was given to somebody else, ErrHolder, ErrAddress, ErrRequest,
// ErrRequestReused, and those of the points. A repeat gets the first answer, a refusal too,
// for seven days; ErrPhone, ErrHolder, ErrAddress and ErrNoGift are no answers: who mends
// his request may send it again.
func (m *Mall) Redeem(ctx context.Context, o Order) (Redemption, error) {
	if !o.Request.Valid() {
		return Redemption{}, ErrRequest
	}
	var err error
	for range maxTries {
		var row db.InsertRedemptionParams
		row, err = m.redeem(ctx, o)
		if err == nil {
			return m.started(ctx, row)
		}
		into, unfound := m.successor(ctx, o.Member)
		switch {
		case unfound != nil:
			return Redemption{}, unfound
		case into != o.Member: // merged meanwhile: what he has and had is looked for there
			o.Member = into
		case errors.Is(err, errAgain):
		case errors.Is(err, sqldb.ErrCommitUnknown):
			// The insert waits for a commit that is still on its way; a read would miss it.
		case decided(err):
			return m.refuse(ctx, o, err)
		default: // what was promised before stays so, whatever became of the gift
			return m.first(ctx, o, err)
		}
	}
	return Redemption{}, sqldb.ErrBusy.With(err)
}

// started answers from the row that was written: reading it again would be another
// round trip. A coupon is handed over at once.
func (m *Mall) started(ctx context.Context, row db.InsertRedemptionParams) (Redemption, error) {
	id, member := model.ID(row.ID), model.MemberID(row.MemberID)
	if Kind(row.Kind) == Coupon && State(row.State) == Accepted {
		if err := m.Fulfil(ctx, id); err != nil { // promised all the same: the job takes it up
			m.Log.WarnContext(ctx, "coupon not handed over yet", "redemption", id, "err", err)
		}
		return m.Redemption(ctx, member, id)
	}
	return m.redemption(db.MallRedemption{
		ID: row.ID, MemberID: row.MemberID, GiftID: row.GiftID, Kind: row.Kind, Title: row.Title, Points: row.Points, Fen: row.Fen,
		Cancellable: row.Cancellable, Spec: row.Spec, Delivery: row.Delivery, State: row.State, CreatedAt: row.CreatedAt, UpdatedAt: row.CreatedAt,
	})
}

// hash is what the member asks for: his number and tier are the mall's to find.
func (o Order) hash() string {
	text := fmt.Appendf(nil, "%d|%d|%q|%q|%q", o.Gift, o.Price, o.Address.Name, o.Address.Phone, o.Address.Text)
	if o.Fen != 0 {
		text = fmt.Appendf(text, "|%d", o.Fen)
	}
	h := sha256.Sum256(text)
	return hex.EncodeToString(h[:])
}

// redeem decides once, on the gift as it is now.
func (m *Mall) redeem(ctx context.Context, o Order) (row db.InsertRedemptionParams, err error) {
	q, now := db.New(m.DB), m.millis()
	g, err := q.Gift(ctx, int64(o.Gift))
	if errors.Is(err, sql.ErrNoRows) {
		return row, ErrNoGift
	}
	if err != nil {
		return row, fmt.Errorf("read gift: %w", err)
	}
	tier, err := m.tier(ctx, g.Tier, o.Phone)
	if err != nil {
		return row, err
	}
	if err := o.may(g, tier, now); errors.Is(err, ErrTier) && m.tierName(g.Tier) != "" {
		return row, ErrTier.Saying("该礼品限%s及以上会员兑换", m.tierName(g.Tier))
	} else if err != nil {
		return row, err
	}
	nth, err := m.nth(ctx, q, g, o.Member)
	if err != nil {
		return row, err
	}
	if err := m.stillHis(ctx, Kind(g.Kind), o.Phone); err != nil {
		return row, err
	}
	id := int64(m.IDs.Next())
	sealed, err := m.sealed(id, Kind(g.Kind), o)
	if err != nil {
		return row, err
	}
	row = db.InsertRedemptionParams{
		ID: id, MemberID: int64(o.Member), GiftID: g.ID, Nth: nth, RequestID: string(o.Request), BodyHash: o.hash(), Kind: g.Kind, Title: g.Title,
		Points: g.Points, Fen: g.Fen, Cancellable: g.Cancellable, ExtendDays: g.ExtendDays, Spec: g.Spec, Delivery: sealed, CreatedAt: now,
	}
	if row.State, row.NextAt, err = begin(g, now); err != nil {
		return row, err
	}
	err = sqldb.InTx(ctx, m.DB, func(tx *sql.Tx) error { return m.redeemTx(ctx, tx, row, g.Version) })
	if err == nil {
		m.done.WithLabelValues(g.Kind, "redeemed").Inc()
	}
	return row, err
}

// stillHis refuses the carrier's goods for a number that was given to somebody else, and
// while nobody knows.
func (m *Mall) stillHis(ctx context.Context, kind Kind, phone model.Phone) error {
	if kind != Carrier || m.Holders == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	given, err := m.Holders.GivenAway(ctx, phone)
	switch {
	case err != nil:
		return ErrHolder.With(err)
	case given:
		return ErrPhone.Saying("这个号码的机主已变更，没有兑换，也没有扣积分。请重新绑定您现在的号码。")
	}
	return nil
}

// begin is a redemption's first state and when something is next to be done about it.
func begin(g db.MallGift, now int64) (state string, next int64, err error) {
	var spec Spec
	if err := json.Unmarshal([]byte(g.Spec), &spec); err != nil {
		return "", 0, fmt.Errorf("read the spec of gift %d: %w", g.ID, err)
	}
	switch {
	case g.Fen > 0 && !spec.Bill:
		return string(Paying), now + payTime.Milliseconds(), nil
	case Kind(g.Kind) == Card:
		return string(Fulfilled), never, nil
	case Kind(g.Kind) == Physical:
		return string(Accepted), toShip, nil
	}
	return string(Accepted), now, nil
}

// tier is the member's, asked for only where the gift wants one.
func (m *Mall) tier(ctx context.Context, wanted int32, phone model.Phone) (int, error) {
	if wanted == 0 || m.Tiers == nil || phone.IsZero() {
		return 0, nil
	}
	tier, err := m.Tiers.Tier(ctx, phone)
	if err != nil {
		return 0, fmt.Errorf("ask for the member's tier: %w", err)
	}
	return tier, nil
}

// tierName is what a tier is called, "" where it has no name.
func (m *Mall) tierName(tier int32) string {
	if tier < 1 || int(tier) > len(m.Levels) {
		return ""
	}
	return m.Levels[tier-1]
}

// redeemTx is the transaction: request, points, stock.
func (m *Mall) redeemTx(ctx context.Context, tx *sql.Tx, row db.InsertRedemptionParams, version int64) error {
	q, member, price := db.New(tx), model.MemberID(row.MemberID), model.Points(row.Points)
	err := q.InsertRedemption(ctx, row)
	if sqldb.Duplicate(err) {
		known, err := q.RedemptionByRequest(ctx, db.RedemptionByRequestParams{MemberID: row.MemberID, RequestID: row.RequestID})
		if errors.Is(err, sql.ErrNoRows) {
			return errAgain // another redemption took this nth
		}
		if err != nil {
			return fmt.Errorf("read redemption: %w", err)
		}
		return fmt.Errorf("request was used for redemption %d: %w", known.ID, ErrRequestReused) // Redeem looks closer
	}
	if err != nil {
		return fmt.Errorf("insert redemption: %w", err)
	}
	request := requestOf(row.ID, "redeem")
	if row.State == string(Paying) {
		// The mall ends the hold itself; the points' own limit comes only after it.
		until := model.Millis(row.NextAt).Add(24 * time.Hour)
		hold, err := m.Holder.HoldTx(ctx, tx, member, price, until, refOf(row.ID), row.Title, request)
		if err != nil {
			return err
		}
		if err := q.SetHold(ctx, db.SetHoldParams{HoldID: int64(hold), ID: row.ID}); err != nil {
			return fmt.Errorf("set hold: %w", err)
		}
	} else if _, err := m.Spender.SpendTx(ctx, tx, member, price, refOf(row.ID), row.Title, request); err != nil {
		return err
	}
	n, err := q.ReserveGift(ctx, db.ReserveGiftParams{ID: row.GiftID, Version: version, MemberID: row.MemberID})
	if err != nil {
		return fmt.Errorf("reserve gift: %w", err)
	}
	if n == 0 {
		return errAgain // edited, sold out, or the member was merged: the next look tells which
	}
	return nil
}

// may tells whether the member may have the gift now.
func (o Order) may(g db.MallGift, tier int, now int64) error {
	switch {
	case g.State != "on" || now < g.StartsAt || now >= g.EndsAt:
		return ErrOffSale
	case int32(tier) < g.Tier:
		return ErrTier
	case g.Reserved >= g.Total:
		return ErrSoldOut
	case o.Price != 0 && (int64(o.Price) != g.Points || int64(o.Fen) != g.Fen):
		return ErrPrice.Saying("该礼品现在需要%s，请确认后再兑换", costs(g))
	case Kind(g.Kind) == Carrier && o.Phone.IsZero():
		return ErrPhone
	case Kind(g.Kind) == Physical && !o.Address.reachable():
		return ErrAddress
	}
	return nil
}

// costs is a gift's price in words.
func costs(g db.MallGift) string {
	if g.Fen == 0 {
		return fmt.Sprintf("%d积分", g.Points)
	}
	return fmt.Sprintf("%d积分另付%s", g.Points, model.Fen(g.Fen))
}

// nth is the lowest free number of the member's allowed redemptions. Those that he made
// while the gift had no limit have no number and count all the same: the edit that set it
// waited for them, so whoever sees the limit sees them.
func (m *Mall) nth(ctx context.Context, q *db.Queries, g db.MallGift, member model.MemberID) (sql.NullInt32, error) {
	if g.EachLimit == 0 {
		return sql.NullInt32{}, nil
	}
	taken, err := q.TakenNth(ctx, db.TakenNthParams{GiftID: g.ID, MemberID: int64(member), Limit: maxEach})
	if err != nil {
		return sql.NullInt32{}, fmt.Errorf("count the member's redemptions: %w", err)
	}
	free := int32(1)
	for _, t := range taken {
		if t.Valid && t.Int32 == free {
			free++
		}
	}
	if free > g.EachLimit || len(taken) >= int(g.EachLimit) {
		return sql.NullInt32{}, ErrLimit
	}
	return sql.NullInt32{Int32: free, Valid: true}, nil
}

func (m *Mall) sealed(id int64, kind Kind, o Order) (string, error) {
	var d delivery
	switch kind {
	case Carrier:
		d.Phone = o.Phone.Digits()
	case Physical:
		d.Address = o.Address
	default:
		return "", nil
	}
	plain, err := json.Marshal(d)
	if err != nil {
		return "", fmt.Errorf("write the delivery: %w", err)
	}
	return m.Sealer.SealText(plain, seal.Bind(deliveryColumn, id)), nil
}

func (m *Mall) opened(r db.MallRedemption) (d delivery, err error) {
	if r.Delivery == "" {
		return d, nil
	}
	plain, err := m.Sealer.OpenText(r.Delivery, seal.Bind(deliveryColumn, r.ID))
	if err != nil {
		return d, fmt.Errorf("open the delivery of redemption %d: %w", r.ID, err)
	}
	if err := json.Unmarshal(plain, &d); err != nil {
		return d, fmt.Errorf("read the delivery of redemption %d: %w", r.ID, err)
	}
	return d, nil
}

// requestOf names one step of a redemption for ever.
func requestOf(id int64, step string) model.RequestID {
	return model.RequestID(fmt.Sprintf("redemption-%d-%s", id, step))
}
