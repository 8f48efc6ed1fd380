package mall

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"unicode/utf8"

	"kaimenhong/model"
	"kaimenhong/model/page"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/mall/internal/db"
)

// Gift is something that points buy.
type Gift struct {
	ID          model.ID
	Category    string
	Kind        Kind
	Title       string
	Description string
	Picture     string // https
	Points      model.Points
	Fen         model.Fen // beside the points, on the phone bill; 0: none
	Tier        int       // the lowest tier of member that may have it; 0: everybody
	TierName    string    // read only; what that tier is called, "" where it has no name
	Each        int       // how often one member may have it; 0: as often as he can pay
	Total       int64     // of coupons: how many codes were imported
	Left        int64     // read only
	StartsAt    model.Millis
	EndsAt      model.Millis
	Cancellable bool // by the member, until it was sent
	// ExtendDays is the gift's policy for points that come back after their lot
	// expired: 0 they stay expired, N they are good for N days more.
	ExtendDays int
	Spec       Spec
	OnSale     bool
	Position   int
	Version    int64 // read only; an edit names the one that it is of
}

// Spec says what is handed over, by kind.
type Spec struct {
	Offering string    `json:"offering,omitempty"` // carrier: a data pack of its catalogue
	Credit   model.Fen `json:"credit,omitempty"`   // carrier: phone credit
	Bill     bool      `json:"bill,omitempty"`     // carrier's offering: the gift's Fen goes on the phone bill with the order
	AppID    string    `json:"appId,omitempty"`    // card
	Page     string    `json:"page,omitempty"`     // card
}

// The bounds of a gift.
const (
	maxPrice  = 1_000_000_000
	maxTotal  = 1_000_000_000
	maxEach   = 1000
	maxExtend = 366
)

// valid says what is to be done about the first thing that is wrong.
func (g Gift) valid() error {
	spec := g.Spec
	good, say := false, "礼品种类应为carrier、coupon、card或physical"
	switch g.Kind {
	case Carrier:
		good = (spec.Offering != "") != (spec.Credit > 0) && spec.Credit >= 0 && spec.Credit <= maxPrice && spec.AppID == "" && spec.Page == ""
		say = "运营商权益应填写流量包编码或话费金额（分）中的一项"
	case Card:
		good, say = spec.AppID != "" && spec.Offering == "" && spec.Credit == 0, "小程序礼品应填写小程序的AppID，可填页面路径"
	case Coupon, Physical:
		good, say = spec == Spec{Bill: spec.Bill}, "券码和实物礼品不填流量包、话费和小程序"
	}
	for _, check := range []struct {
		good bool
		say  string
	}{
		{good, say},
		{fits(g.Category, 32), "分类应为1到32个字"},
		{fits(g.Title, 64), "礼品名称应为1到64个字"},
		{utf8.RuneCountInString(g.Description) <= 1000, "礼品说明不能超过1000字"},
		{g.Picture == "" || strings.HasPrefix(g.Picture, "https://") && len(g.Picture) <= 255, "图片应为https地址，不超过255个字符"},
		{g.Points > 0 && g.Points <= maxPrice, "所需积分应为1到10亿"},
		{g.Fen >= 0 && g.Fen <= maxPrice, "另付金额应为0到10亿分"},
		{g.Fen == 0 || spec.Bill, "另付金额只能计入话费账单，请选择计入账单，或改为纯积分"},
		{!spec.Bill || g.Fen > 0 && spec.Offering != "", "另付金额计入话费账单，只用于流量包"},
		{g.Tier >= 0 && g.Tier <= maxTier, "会员等级应为0到1000"},
		{g.Each >= 0 && g.Each <= maxEach, "每人限兑次数应为0到1000，0为不限"},
		{g.Total >= 0 && g.Total <= maxTotal, "总数应为0到10亿"},
		{g.StartsAt >= 0 && g.EndsAt > g.StartsAt, "结束时间应晚于开始时间"},
		{g.ExtendDays >= 0 && g.ExtendDays <= maxExtend, "退回积分的延长天数应为0到366"},
		{g.Position >= 0 && g.Position <= maxTotal, "货架位置应为0到10亿"},
		{len(spec.Offering) <= 64 && len(spec.AppID) <= 64 && len(spec.Page) <= 255, "流量包编码和AppID不超过64个字符，页面路径不超过255个字符"},
	} {
		if !check.good {
			return ErrGift.Saying("%s", check.say)
		}
	}
	return nil
}

func fits(s string, n int) bool { return s != "" && utf8.RuneCountInString(s) <= n }

// AddGift keeps a new gift, not on sale yet. A gift of coupons starts with a Total of
// 0: ImportCoupons adds to it. by is the operator, 0 for the command line.
//
// Errors: ErrGift, also for one whose time is over.
func (m *Mall) AddGift(ctx context.Context, by model.ID, g Gift) (Gift, error) {
	if err := g.valid(); err != nil {
		return Gift{}, err
	}
	if int64(g.EndsAt) <= m.millis() {
		return Gift{}, ErrGift.Saying("结束时间应晚于现在")
	}
	if g.Kind == Coupon {
		g.Total = 0
	}
	spec, err := json.Marshal(g.Spec)
	if err != nil {
		return Gift{}, fmt.Errorf("write the spec: %w", err)
	}
	g.ID, g.Left, g.OnSale, g.Version = m.IDs.Next(), g.Total, false, 1
	err = sqldb.InTx(ctx, m.DB, func(tx *sql.Tx) error {
		err := db.New(tx).InsertGift(ctx, db.InsertGiftParams{
			ID: int64(g.ID), Category: g.Category, Kind: string(g.Kind), Title: g.Title, Description: g.Description, Picture: g.Picture,
			Points: int64(g.Points), Fen: int64(g.Fen), Tier: int32(g.Tier), EachLimit: int32(g.Each), Total: g.Total,
			StartsAt: int64(g.StartsAt), EndsAt: int64(g.EndsAt), Cancellable: g.Cancellable, ExtendDays: int32(g.ExtendDays),
			Spec: string(spec), Position: int32(g.Position), CreatedAt: m.millis(),
		})
		if err != nil {
			return fmt.Errorf("insert gift: %w", err)
		}
		return m.recordTx(ctx, tx, by, "mall.gift_add", g.ref(), g.noted())
	})
	return g, err
}

// EditGift replaces a gift of the same kind; g.Version is the one that was edited.
// Redemptions made before keep what they were promised.
//
// Errors: ErrGift, also when the total would fall below what is promised; ErrNoGift,
// ErrEdited when somebody else was faster.
func (m *Mall) EditGift(ctx context.Context, by model.ID, g Gift) (Gift, error) {
	if err := g.valid(); err != nil {
		return Gift{}, err
	}
	old, err := m.Gift(ctx, g.ID)
	if err != nil {
		return Gift{}, err
	}
	if old.Kind != g.Kind {
		return Gift{}, ErrGift.Saying("礼品种类不能修改，请新建礼品")
	}
	if g.Kind == Coupon {
		g.Total = old.Total
	}
	promised := old.Total - old.Left
	if old.Version == g.Version && g.Total < promised {
		return Gift{}, ErrGift.Saying("已兑出%d件，总数不能更少", promised)
	}
	if err := sqldb.InTx(ctx, m.DB, func(tx *sql.Tx) error { return m.editTx(ctx, tx, by, g) }); err != nil {
		return Gift{}, err
	}
	return m.Gift(ctx, g.ID)
}

func (m *Mall) editTx(ctx context.Context, tx *sql.Tx, by model.ID, g Gift) error {
	spec, err := json.Marshal(g.Spec)
	if err != nil {
		return fmt.Errorf("write the spec: %w", err)
	}
	state := "off"
	if g.OnSale {
		state = "on"
	}
	n, err := db.New(tx).UpdateGift(ctx, db.UpdateGiftParams{
		Category: g.Category, Title: g.Title, Description: g.Description, Picture: g.Picture, Points: int64(g.Points), Fen: int64(g.Fen),
		Tier: int32(g.Tier), EachLimit: int32(g.Each), Total: g.Total, StartsAt: int64(g.StartsAt), EndsAt: int64(g.EndsAt),
		Cancellable: g.Cancellable, ExtendDays: int32(g.ExtendDays), Spec: string(spec), State: state, Position: int32(g.Position),
		UpdatedAt: m.millis(), ID: int64(g.ID), Version: g.Version,
	})
	if err != nil {
		return fmt.Errorf("update gift: %w", err)
	}
	if n == 0 {
		return ErrEdited
	}
	return m.recordTx(ctx, tx, by, "mall.gift_edit", g.ref(), g.noted())
}

func (g Gift) ref() model.Ref { return model.Ref{Type: "gift", ID: g.ID.String()} }

// noted is what the audit keeps of a gift: what it costs, how many there are, who may
// have it, how often and until when, and whether it is for sale.
func (g Gift) noted() any {
	return struct {
		Title       string       `json:"title"`
		Kind        Kind         `json:"kind"`
		Points      model.Points `json:"points"`
		Fen         model.Fen    `json:"fen"`
		Total       int64        `json:"total"`
		Each        int          `json:"eachLimit"`
		Tier        int          `json:"tier"`
		StartsAt    model.Millis `json:"startsAt"`
		EndsAt      model.Millis `json:"endsAt"`
		Cancellable bool         `json:"cancellable"`
		ExtendDays  int          `json:"extendDays"`
		OnSale      bool         `json:"onSale"`
		Spec        Spec         `json:"spec"`
	}{g.Title, g.Kind, g.Points, g.Fen, g.Total, g.Each, g.Tier, g.StartsAt, g.EndsAt, g.Cancellable, g.ExtendDays, g.OnSale, g.Spec}
}

// Gift is one gift, on sale or not.
//
// Errors: ErrNoGift.
func (m *Mall) Gift(ctx context.Context, id model.ID) (Gift, error) {
	row, err := db.New(m.DB).Gift(ctx, int64(id))
	if errors.Is(err, sql.ErrNoRows) {
		return Gift{}, ErrNoGift
	}
	if err != nil {
		return Gift{}, fmt.Errorf("read gift %s: %w", id, err)
	}
	return m.gift(row)
}

// AllGifts are those on sale and those that are not, newest first, for operators; words
// are in the title, "" in every one. cursor is "" or the one that came with the page before.
//
// Errors: page.ErrCursor.
func (m *Mall) AllGifts(ctx context.Context, words, cursor string, limit int) (list []Gift, next string, err error) {
	size := page.Size(limit)
	before, err := page.Before(cursor)
	if err != nil {
		return nil, "", err
	}
	rows, err := db.New(m.DB).AllGifts(ctx, db.AllGiftsParams{Before: before, Words: words, Limit: size + 1})
	if err != nil {
		return nil, "", fmt.Errorf("read all gifts: %w", err)
	}
	rows, next = page.Cut(rows, size, func(r db.MallGift) string { return page.Cursor(r.ID) })
	list, err = m.gifts(rows)
	return list, next, err
}

// Gifts are those on sale now, in the order in which they are shown. cursor is "" or
// the one that came with the page before.
//
// Errors: page.ErrCursor.
func (m *Mall) Gifts(ctx context.Context, cursor string, limit int) ([]Gift, string, error) {
	return m.GiftsOf(ctx, "", cursor, limit)
}

// GiftsOf are the Gifts of one category; "" is all of them.
func (m *Mall) GiftsOf(ctx context.Context, category, cursor string, limit int) (list []Gift, next string, err error) {
	size := page.Size(limit)
	after := db.GiftsAfterParams{Now: m.millis(), Limit: size + 1}
	if cursor != "" {
		position, id, err := page.Pair(cursor)
		if err != nil || position > math.MaxInt32 {
			return nil, "", page.ErrCursor
		}
		after.AfterPosition, after.AfterID = int32(position), id
	}
	var rows []db.MallGift
	if category == "" {
		rows, err = db.New(m.DB).GiftsAfter(ctx, after)
	} else {
		rows, err = db.New(m.DB).GiftsOfAfter(ctx, db.GiftsOfAfterParams{
			AfterPosition: after.AfterPosition, AfterID: after.AfterID, Now: after.Now, Category: category, Limit: after.Limit,
		})
	}
	if err != nil {
		return nil, "", fmt.Errorf("read the gifts: %w", err)
	}
	rows, next = page.Cut(rows, size, func(r db.MallGift) string { return page.Cursor(int64(r.Position), r.ID) })
	list, err = m.gifts(rows)
	return list, next, err
}

// Categories are those of the gifts on sale now, in the order in which they are shown.
func (m *Mall) Categories(ctx context.Context) ([]string, error) {
	names, err := db.New(m.DB).Categories(ctx, db.CategoriesParams{Now: m.millis(), Limit: page.Max})
	if err != nil {
		return nil, fmt.Errorf("read the categories: %w", err)
	}
	return names, nil
}

func (m *Mall) gifts(rows []db.MallGift) (list []Gift, err error) {
	list = make([]Gift, len(rows))
	for i, r := range rows {
		if list[i], err = m.gift(r); err != nil {
			return nil, err
		}
	}
	return list, nil
}

func (m *Mall) gift(r db.MallGift) (Gift, error) {
	g := Gift{
		ID: model.ID(r.ID), Category: r.Category, Kind: Kind(r.Kind), Title: r.Title, Description: r.Description, Picture: r.Picture,
		Points: model.Points(r.Points), Fen: model.Fen(r.Fen), Tier: int(r.Tier), TierName: m.tierName(r.Tier), Each: int(r.EachLimit), Total: r.Total, Left: r.Total - r.Reserved,
		StartsAt: model.Millis(r.StartsAt), EndsAt: model.Millis(r.EndsAt), Cancellable: r.Cancellable, ExtendDays: int(r.ExtendDays),
		OnSale: r.State == "on", Position: int(r.Position), Version: r.Version,
	}
	if err := json.Unmarshal([]byte(r.Spec), &g.Spec); err != nil {
		return Gift{}, fmt.Errorf("read the spec of gift %d: %w", r.ID, err)
	}
	return g, nil
}
