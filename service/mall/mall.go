// Package mall sells gifts for points, or for points and money.
//
// Invariants:
//   - never more of a gift is promised than there is, and never more to one member
//     than its limit: a guarded row and a unique key, whatever races;
//   - a redemption costs its points once, and ends handed over or taken back with
//     the points in the lots that they came from: never both, never neither;
//   - what was sent to the carrier with an unknown outcome is asked for before it is
//     repeated, always under the redemption's own id;
//   - a member pays the price that he was shown: an edit in between is noticed.
//
// Order of a redemption's transaction: redemption (its request id) → points → stock,
// for the stock of one gift is the row that all want. A refusal is kept as the
// request's answer in a row of its own. With the reads before it, it is
// twelve round trips to the database. The redemption's row is also the promise to
// hand over: FulfilDue takes up whatever was not.
//
// Tables: mall_gift, mall_coupon, mall_redemption, mall_merged. No other package touches them.
// Redis keys: none. Addresses, numbers and coupon codes are sealed.
package mall

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"

	"kaimenhong/model"
	"kaimenhong/model/fault"
	"kaimenhong/model/seal"
)

// The faults of the mall. Those of the points pass through as they are.
var (
	ErrNoGift         = fault.New(fault.NotFound, "mall.no_gift", "没有这件礼品")
	ErrGift           = fault.New(fault.Invalid, "mall.gift", "礼品信息不正确")
	ErrEdited         = fault.New(fault.Conflict, "mall.gift_edited", "礼品信息已被他人修改，请刷新后再试")
	ErrOffSale        = fault.New(fault.Conflict, "mall.off_sale", "该礼品不在兑换时间内")
	ErrSoldOut        = fault.New(fault.Conflict, "mall.sold_out", "该礼品已兑完，看看其他礼品吧")
	ErrPrice          = fault.New(fault.Conflict, "mall.price", "该礼品的价格已变化，请确认后再兑换")
	ErrTier           = fault.New(fault.Conflict, "mall.tier", "该礼品仅限更高等级的会员兑换")
	ErrLimit          = fault.New(fault.Conflict, "mall.limit", "您兑换该礼品的次数已达上限")
	ErrPhone          = fault.New(fault.Conflict, "mall.phone", "请先绑定手机号")
	ErrHolder         = fault.New(fault.Unavailable, "mall.holder", "暂时无法核实这个号码的机主，没有兑换，也没有扣积分，请稍后再试")
	ErrAddress        = fault.New(fault.Invalid, "mall.address", "请填写收货人、联系电话（至少7位数字）和详细地址")
	ErrRequest        = fault.New(fault.Invalid, "mall.request", "请求编号不正确")
	ErrRequestReused  = fault.New(fault.Invalid, "mall.request_reused", "该请求编号已用于另一笔兑换")
	ErrNoRedemption   = fault.New(fault.NotFound, "mall.no_redemption", "没有这笔兑换")
	ErrNotCancellable = fault.New(fault.Conflict, "mall.not_cancellable", "这笔兑换不能取消")
	ErrState          = fault.New(fault.Conflict, "mall.state", "这笔兑换的状态已变化，请刷新")
	ErrVerdict        = fault.New(fault.Invalid, "mall.verdict", "请选择认定结果（given 或 refund），并填写4到100字的依据")
	ErrNotStuck       = fault.New(fault.Conflict, "mall.not_stuck", "这笔兑换还在自动处理，兑换满一天仍无结果才能人工认定")
	ErrAskedAgain     = fault.New(fault.Conflict, "mall.asked_again", "系统刚又问过运营商，请刷新，看过最新结果再认定")
	ErrNoCode         = fault.New(fault.Conflict, "mall.no_code", "券码礼品请导入券码，系统会自动发放；不再发放则选择退回积分")
	ErrParcel         = fault.New(fault.Invalid, "mall.parcel", "请填写快递公司和单号（不超过128字）")
	ErrCoupon         = fault.New(fault.Invalid, "mall.coupon", "券码应为1到100个字符")
	ErrCouponFile     = fault.New(fault.Invalid, "mall.coupon_file", "券码文件应为CSV或XLSX，首行为表头，其中一列为“券码”")
)

// Kind is what a gift is.
type Kind string

// The four kinds.
const (
	Carrier  Kind = "carrier"  // a data pack or phone credit, handed over by the carrier
	Coupon   Kind = "coupon"   // a code of an imported pool
	Card     Kind = "card"     // a mini-program that the member opens
	Physical Kind = "physical" // a parcel
)

// State is where a redemption is.
type State string

// The states. Fulfilled, Failed and Cancelled are final, and Shipped and Accepted of a
// parcel wait for people.
const (
	Paying     State = "paying"     // points held, money not paid yet
	Accepted   State = "accepted"   // paid, nothing sent yet
	Submitting State = "submitting" // the carrier is being asked
	Working    State = "working"    // the carrier works on it
	Unknown    State = "unknown"    // nobody knows whether the carrier got it
	Shipped    State = "shipped"    // the parcel is on its way
	Fulfilled  State = "fulfilled"
	Failed     State = "failed"    // points and stock given back
	Cancelled  State = "cancelled" // likewise
)

// TopicFailed is the topic of the promise to tell a member that a redemption failed;
// its payload is Told.
const TopicFailed = "mall.failed"

// Told is what the member is told.
type Told struct {
	Redemption model.ID       `json:"redemption"`
	Member     model.MemberID `json:"member"`
	Title      string         `json:"title"`
	Points     model.Points   `json:"points"`         // given back, to be spent
	Lost       model.Points   `json:"lost,omitempty"` // expired meanwhile
	Reason     string         `json:"reason"`         // Chinese
}

// What the mall needs from other domains.
type (
	// spender takes points for good and gives them back into their lots, some of which
	// may be over.
	spender interface {
		SpendTx(ctx context.Context, tx *sql.Tx, member model.MemberID, price model.Points, ref model.Ref, title string, request model.RequestID) (model.ID, error)
		ReverseTx(ctx context.Context, tx *sql.Tx, ref model.Ref, extendDays int, request model.RequestID) (model.Points, error)
		LostTx(ctx context.Context, tx *sql.Tx, ref model.Ref) (model.Points, error)
	}
	// holder sets points aside while money is being paid.
	holder interface {
		HoldTx(ctx context.Context, tx *sql.Tx, member model.MemberID, amount model.Points, until model.Millis, ref model.Ref, title string, request model.RequestID) (model.ID, error)
		ConfirmTx(ctx context.Context, tx *sql.Tx, hold model.ID, amount model.Points, request model.RequestID) error
		VoidTx(ctx context.Context, tx *sql.Tx, hold model.ID, extendDays int, request model.RequestID) error
	}
	// outbox promises something to the outside within the transaction.
	outbox interface {
		AddTx(ctx context.Context, tx *sql.Tx, topic string, request model.RequestID, payload any) error
	}
	// tiers knows how the carrier values the holder of a number; 0 is everybody.
	tiers interface {
		Tier(ctx context.Context, phone model.Phone) (int, error)
	}
	// holders ask the carrier whether a number was given to somebody else since it was
	// bound; one that was is unbound. An error says that nobody knows now.
	holders interface {
		GivenAway(ctx context.Context, phone model.Phone) (bool, error)
	}
	// recorder adds a line to the operators' audit within the transaction of what it
	// tells.
	recorder interface {
		RecordTx(ctx context.Context, tx *sql.Tx, e model.AuditEntry) error
	}
	// carrier hands over goods. request names the order for ever; again says that
	// an earlier try's outcome is not known, so it is asked for first.
	carrier interface {
		Deliver(ctx context.Context, goods Goods, request model.RequestID, again bool) (Outcome, error)
	}
)

// Goods is what the carrier hands over: an offering of its catalogue or credit.
type Goods struct {
	Phone    model.Phone
	Offering string    // a data pack, or
	Credit   model.Fen // phone credit
	Charge   model.Fen // of an offering: the money that goes on the phone bill with it
}

// Outcome is what the carrier's answer means.
type Outcome struct {
	State  State  // Fulfilled, Working, Failed, Unknown, or Accepted: surely not sent
	Number string // the carrier's own
	Reason string // of Failed, Chinese, for the member
	// Repeat says of Failed that only this repeat was refused: what an earlier try sent
	// may still arrive.
	Repeat bool
}

// Deps are what the mall needs from outside; all but Holders, Tiers, Levels and Audit are required.
type Deps struct {
	DB      *sql.DB
	IDs     *model.IDs
	Now     model.Clock
	Log     *slog.Logger
	Metrics prometheus.Registerer
	Sealer  *seal.Sealer
	Spender spender
	Holder  holder
	Outbox  outbox
	Carrier carrier
	Holders holders  // nil: a number is whose it was when he bound it
	Tiers   tiers    // nil: everybody is of tier 0
	Levels  []string // what the tiers from 1 are called
	Audit   recorder // nil: what operators do leaves no line
}

// Mall is the mall. It is safe for use by many goroutines.
type Mall struct {
	Deps
	done  *prometheus.CounterVec
	stuck prometheus.Gauge
}

// New returns a mall.
func New(deps Deps) (*Mall, error) {
	m := &Mall{Deps: deps, done: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "mall_redemptions_total", Help: "Redemptions, by kind of gift and what became of them.",
	}, []string{"kind", "result"}), stuck: prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "mall_redemptions_stuck", Help: "Redemptions whose goods nobody knows to be handed over a day after they were promised, 1000 at most.",
	})}
	for _, c := range []prometheus.Collector{m.done, m.stuck} {
		if err := deps.Metrics.Register(c); err != nil {
			return nil, fmt.Errorf("register the metrics of the mall: %w", err)
		}
	}
	return m, nil
}

// What next_at says of a redemption that needs nothing more by itself: it waits for
// nobody, or it is a parcel in one of the two queues that people work off. The index on
// next_at finds the queues, so that they cost the other redemptions nothing.
const (
	never    = 253402271999999
	onTheWay = never - 1 // a parcel that was shipped
	toShip   = never - 2 // a parcel to be shipped
)

// recordTx adds a line to the audit as the last step of what an operator does.
func (m *Mall) recordTx(ctx context.Context, tx *sql.Tx, by model.ID, action string, target model.Ref, detail any) error {
	if m.Audit == nil {
		return nil
	}
	return m.Audit.RecordTx(ctx, tx, model.AuditEntry{Operator: by, Action: action, Target: target, Detail: detail})
}

func (m *Mall) millis() int64 { return int64(model.At(m.Now())) }

// refRedemption is the type of the ref under which the points move.
const refRedemption = "redemption"

func refOf(id int64) model.Ref {
	return model.Ref{Type: refRedemption, ID: model.ID(id).String()}
}
