package chat_test

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
	"kaimenhong/model/fault"
	"kaimenhong/model/seal"
	"kaimenhong/service/chat"
)

// world is everything around the chat: one member, a carrier that can be down.
type world struct {
	mu      sync.Mutex
	now     time.Time
	member  model.Member
	sent    map[model.RequestID]model.Phone
	done    map[model.RequestID]bool
	balance model.Balance
	usage   model.Usage
	plan    model.Plan
	bills   model.Bills
	points  model.PointsBalance
	offers  []model.Offer
	got     map[model.RequestID]model.Redeemed
	sold    func() // what happens before the mall hears of a redemption, once
	err     error
	source  string
	unsent  error         // when set, no code is sent
	reading chan struct{} // when set, every read waits for a second one
	visits  int           // sign-ins that were asked for

	declined []model.RequestID // the noes to offers
}

var errPoor = fault.New(fault.Conflict, "test.poor", "积分不足，还差200积分")

var errCode = fault.New(fault.Invalid, "binding.code", "验证码不对，还可以再试 4次")

func (w *world) DeclineMarketing(_ context.Context, _ model.MemberID, request model.RequestID) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.declined = append(w.declined, request)
	return nil
}

func (w *world) Touch(context.Context, model.App, model.OpenID) (model.Member, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.member, nil
}

func (w *world) Follow(_ context.Context, _ model.OpenID, source string, _ model.Millis) (model.Member, error) {
	w.source = source
	return w.member, nil
}

func (w *world) Unfollow(context.Context, model.OpenID, model.Millis) error {
	w.source = "gone"
	return nil
}

func (w *world) SendCode(_ context.Context, _ model.MemberID, phone model.Phone, request model.RequestID) error {
	if w.unsent != nil {
		return w.unsent
	}
	w.sent[request] = phone
	return nil
}

func (w *world) Confirm(_ context.Context, _ model.MemberID, code string, request model.RequestID) (model.Phone, error) {
	if code != "123456" {
		return model.Phone{}, errCode
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.done[request] = true
	for _, p := range w.sent {
		w.member.Phone = p
	}
	return w.member.Phone, nil
}

func (w *world) Unbind(_ context.Context, _ model.MemberID, request model.RequestID) error {
	w.done[request] = true
	w.member.Phone = model.Phone{}
	return nil
}

func (w *world) Balance(ctx context.Context, _ model.Phone) (model.Balance, error) {
	w.meet(ctx)
	return w.balance, w.err
}

func (w *world) Usage(ctx context.Context, _ model.Phone) (model.Usage, error) {
	w.meet(ctx)
	return w.usage, w.err
}

func (w *world) Plan(context.Context, model.Phone) (model.Plan, error)   { return w.plan, w.err }
func (w *world) Bills(context.Context, model.Phone) (model.Bills, error) { return w.bills, w.err }

func (w *world) PointsBalance(context.Context, model.MemberID) (model.PointsBalance, error) {
	return w.points, nil
}

func (w *world) SignIn(context.Context, model.MemberID) (model.Points, int, error) {
	w.visits++
	return 3, 5, w.err
}

func (w *world) Affordable(_ context.Context, _ model.Member, points model.Points, limit int) (offers []model.Offer, err error) {
	for _, o := range w.offers {
		if o.Points <= points && len(offers) < limit {
			offers = append(offers, o)
		}
	}
	return offers, w.err
}

func (w *world) Redeem(_ context.Context, _ model.Member, offer model.Offer, request model.RequestID) (model.Redeemed, error) {
	if sold := w.sold; sold != nil {
		w.sold = nil
		sold()
	}
	if got, again := w.got[request]; again {
		return got, nil
	}
	if w.points.Available < offer.Points {
		return model.Redeemed{}, errPoor
	}
	w.points.Available -= offer.Points
	got := model.Redeemed{Title: offer.Title, Points: offer.Points}
	switch offer.Gift {
	case 2:
		got.Code, got.Done = "AA-1", true
	case 3:
		got.AppID, got.Page, got.Done = "wx1", "pages/use", true
	}
	w.got[request] = got
	return got, nil
}

// meet lets two reads pass only together.
func (w *world) meet(ctx context.Context) {
	if w.reading == nil {
		return
	}
	select {
	case w.reading <- struct{}{}:
	case <-w.reading:
	case <-ctx.Done():
	}
}

func phone(t testing.TB, digits string) model.Phone {
	t.Helper()
	p, err := model.ParsePhone(digits)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// newWorld is a Tuesday in November at half past eight in the evening.
func newWorld(t testing.TB) *world {
	now := time.Date(2026, 11, 17, 20, 30, 0, 0, model.Shanghai)
	at := model.At(now)
	return &world{
		now: now, got: map[model.RequestID]model.Redeemed{}, sent: map[model.RequestID]model.Phone{}, done: map[model.RequestID]bool{},
		member:  model.Member{ID: 7, OpenID: "o7", Phone: phone(t, "13800001111"), Follows: true},
		balance: model.Balance{Available: 4530, AsOf: at},
		usage: model.Usage{AsOf: at, Allowances: []model.Allowance{
			{Kind: model.Data, Name: "国内流量", Total: 30 << 30, Left: 12<<30 + 512<<20, ValidUntil: at.Add(13 * 24 * time.Hour)},
			{Kind: model.Data, Name: "夜间流量包", Total: 5 << 30, Left: 2 << 30, ValidUntil: at.Add(3 * 24 * time.Hour)},
			{Kind: model.Voice, Name: "国内通话", Total: 500 * 60, Left: 120*60 + 59, ValidUntil: at.Add(13 * 24 * time.Hour)},
			{Kind: model.SMS, Name: "短信", Total: 100, Left: 30, ValidUntil: at.Add(13 * 24 * time.Hour)},
		}},
		plan: model.Plan{AsOf: at, Main: model.Product{Name: "5G畅享套餐", Fee: 12900, Details: []string{"国内流量 30GB", "国内通话 500分钟"}},
			Packs: []model.Product{{Name: "夜间流量包", Fee: 1000, EndsAt: at.Add(3 * 24 * time.Hour)}}},
		bills: model.Bills{AsOf: at, Bills: []model.Bill{
			{Month: "2026-10", Total: 12850, Items: []model.BillItem{{Name: "套餐月费", Amount: 12900}, {Name: "优惠", Amount: -50}}},
			{Month: "2026-09", Total: 11000, Due: 500, DueAt: at.Add(8 * 24 * time.Hour)},
		}},
		points: model.PointsBalance{Available: 1200, Expiring: 300, ExpiresAt: at.Add(44 * 24 * time.Hour), Pending: 50},
		offers: []model.Offer{{Gift: 1, Title: "1GB流量 & <日包>", Points: 500}, {Gift: 2, Title: "咖啡券", Points: 300}, {Gift: 3, Title: "影视会员", Points: 1200}, {Gift: 4, Title: "手机", Points: 90000}},
	}
}

// talk is a conversation with a world.
type talk struct {
	*world
	chat     *chat.Chat
	notes    *chat.Notes
	registry *prometheus.Registry
	n        int
}

// RecordTx is an audit that is not looked at.
func (w *world) RecordTx(context.Context, *sql.Tx, model.AuditEntry) error { return nil }

func newTalk(t testing.TB, w *world, pool *sql.DB, client redis.UniversalClient, rules *chat.Rules, opts chat.Options) *talk {
	t.Helper()
	ids, err := model.NewIDs(1, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	sealer, err := seal.New(map[int][]byte{1: make([]byte, seal.KeySize)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	opts.SessionWait = cmp.Or(opts.SessionWait, time.Minute) // a busy machine's
	registry, now := prometheus.NewRegistry(), func() time.Time { return w.now }
	notes := chat.NewNotes(pool, sealer, ids, now, w)
	return &talk{world: w, registry: registry, notes: notes, chat: chat.New(chat.Needs{
		Members: w, Binding: w, Account: w, Bills: w, Points: w, Visits: w, Gifts: w, Rules: rules, Notes: notes, Declines: w, Redis: client,
		Now: now, Log: slog.New(slog.DiscardHandler), Metrics: registry,
	}, opts)}
}

func (k *talk) inbound(kind model.InboundKind) model.Inbound {
	k.n++
	return model.Inbound{Key: model.RequestID(fmt.Sprintf("o7-%d", k.n)), App: model.OfficialAccount, OpenID: "o7", CreatedAt: model.At(k.now), Kind: kind}
}

// says sends a text and returns the answer's text.
func (k *talk) says(t testing.TB, text string) string {
	t.Helper()
	in := k.inbound(model.InText)
	in.Text = text
	return k.gets(t, in).Text
}

func (k *talk) gets(t testing.TB, in model.Inbound) model.Content {
	t.Helper()
	content, err := k.chat.Handle(t.Context(), in)
	if err != nil {
		t.Fatalf("Handle(%q) = %v, want an answer", in.Text, err)
	}
	return content
}

// plainOptions leave taps out, so that a text can be compared.
var plainOptions = chat.Options{PlainText: true}

func TestNumbersAreAnswered(t *testing.T) {
	k := newTalk(t, newWorld(t), dbtest.SQLite(t), dbtest.EmbeddedRedis(t), nil, plainOptions)
	for _, tt := range []struct{ says, want string }{
		{"查话费", "话费余额 45.30元。\n查流量"},
		{"cxll", "流量还剩 14.5GB（共 35GB），通话还剩 120分钟（共 500分钟），短信还剩 30条（共 100条）。\n最先到期：夜间流量包还有 2GB，11月20日到期。\n查套餐"},
		{"我是什么套餐", "每月 129元，5G畅享套餐。\n包含 国内流量 30GB、国内通话 500分钟。\n另有 夜间流量包（10元，11月20日到期）\n看看更合适的套餐"},
		{"查积分", "可用积分 1200分。\n其中 300分 12月31日到期，记得先用。\n另有 50分待生效。\n积分兑换"},
		{"上个月账单", "10月账单 128.50元，已经结清。\n　套餐月费 129元\n　优惠 -0.50元\n其他月份：\n　9月 110元\n查话费"},
		{"九月份的账单", "9月账单 110元，还要缴 5元，请在11月25日前缴。\n其他月份：\n　10月 128.50元\n看怎么缴费"},
		{"3月账单", "没有查到3月的账单，能查到的有：\n　10月 128.50元\n　9月 110元\n要查更早的，请找人工。"},
	} {
		if got := k.says(t, tt.says); got != tt.want {
			t.Errorf("%q is answered\n%s\nwant\n%s", tt.says, got, tt.want)
		}
	}
}

func TestAStrangerBindsAndGetsTheAnswerHeCameFor(t *testing.T) {
	dbtest.Redises(t, func(t *testing.T, client redis.UniversalClient) {
		w := newWorld(t)
		w.member.Phone = model.Phone{}
		k := newTalk(t, w, dbtest.SQLite(t), client, nil, plainOptions)
		for _, tt := range []struct{ says, want string }{
			{"查话费", "先绑定手机号才能查话费"},
			{"12345678901", "这个号码不像手机号"},
			{"１３９ ２２２２ ３３３３", "验证码短信已发到 139****3333"},
			{"12345", "6位数字"},
			{"000000", "验证码不对，还可以再试 4次"},
			{"人工", ""},
			{"123456", "绑定成功：139****3333。\n\n话费余额 45.30元"},
		} {
			if got := k.says(t, tt.says); !strings.HasPrefix(got, tt.want) && !strings.Contains(got, tt.want) {
				t.Errorf("%q is answered\n%s\nwant\n%s", tt.says, got, tt.want)
			}
		}
	})
}
