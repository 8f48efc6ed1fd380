package mall

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"kaimenhong/model"
	"kaimenhong/model/seal"
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
	Fen         model.Fen // beside the points; 0: none
	Tier        int       // the lowest tier of member that may have it; 0: everybody
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

func (g Gift) valid() error {
	good := fits(g.Category, 32) && fits(g.Title, 64) && utf8.RuneCountInString(g.Description) <= 1000 && len(g.Picture) <= 255 &&
		g.Points > 0 && g.Points <= maxPrice && g.Fen >= 0 && g.Fen <= maxPrice && g.Tier >= 0 && g.Tier <= maxTier &&
		g.Each >= 0 && g.Each <= maxEach && g.Total >= 0 && g.Total <= maxTotal && g.StartsAt >= 0 && g.EndsAt > g.StartsAt &&
		g.ExtendDays >= 0 && g.ExtendDays <= maxExtend && g.Position >= 0 && g.Position <= maxTotal && len(g.Spec.Offering) <= 64 &&
		len(g.Spec.AppID) <= 64 && len(g.Spec.Page) <= 255
	switch g.Kind {
	case Carrier:
		good = good && (!g.Spec.Bill || g.Fen > 0 && g.Spec.Offering != "") && (g.Spec.Offering != "") != (g.Spec.Credit > 0) && g.Spec.Credit <= maxPrice
	case Card:
		good = good && g.Spec.AppID != "" && !g.Spec.Bill
	case Coupon, Physical:
		good = good && !g.Spec.Bill
	default:
		good = false
	}
	if !good {
		return ErrGift
	}
	return nil
}

func fits(s string, n int) bool { return s != "" && utf8.RuneCountInString(s) <= n }

// AddGift keeps a new gift, not on sale yet, and returns its id. A gift of coupons
// starts with a Total of 0: ImportCoupons adds to it.
//
// Errors: ErrGift.
func (m *Mall) AddGift(ctx context.Context, g Gift) (model.ID, error) {
	if err := g.valid(); err != nil {
		return 0, err
	}
	if g.Kind == Coupon {
		g.Total = 0
	}
	spec, err := json.Marshal(g.Spec)
	if err != nil {
		return 0, fmt.Errorf("write the spec: %w", err)
	}
	id := m.IDs.Next()
	err = db.New(m.DB).InsertGift(ctx, db.InsertGiftParams{
		ID: int64(id), Category: g.Category, Kind: string(g.Kind), Title: g.Title, Description: g.Description, Picture: g.Picture,
		Points: int64(g.Points), Fen: int64(g.Fen), Tier: int32(g.Tier), EachLimit: int32(g.Each), Total: g.Total,
		StartsAt: int64(g.StartsAt), EndsAt: int64(g.EndsAt), Cancellable: g.Cancellable, ExtendDays: int32(g.ExtendDays),
		Spec: string(spec), Position: int32(g.Position), CreatedAt: m.millis(),
	})
	if err != nil {
		return 0, fmt.Errorf("insert gift: %w", err)
	}
	return id, nil
}

// EditGift replaces a gift of the same kind; g.Version is the one that was edited.
// Redemptions made before keep what they were promised.
//
// Errors: ErrGift, ErrNoGift, ErrEdited when somebody else was faster or the total
// would fall below what is promised.
func (m *Mall) EditGift(ctx context.Context, g Gift) error {
	if err := g.valid(); err != nil {
		return err
	}
	old, err := m.Gift(ctx, g.ID)
	if err != nil {
		return err
	}
	if old.Kind != g.Kind {
		return ErrGift
	}
	if g.Kind == Coupon {
		g.Total = old.Total
	}
	spec, err := json.Marshal(g.Spec)
	if err != nil {
		return fmt.Errorf("write the spec: %w", err)
	}
	state := "off"
	if g.OnSale {
		state = "on"
	}
	n, err := db.New(m.DB).UpdateGift(ctx, db.UpdateGiftParams{
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
	return nil
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
	return gift(row)
}

// maxPage is the most that one page carries.
const maxPage = 100

// Gifts are those on sale now, in the order in which they are shown. cursor is "" or
// the one that came with the page before.
//
// Errors: ErrCursor.
func (m *Mall) Gifts(ctx context.Context, cursor string, limit int) ([]Gift, string, error) {
	return m.GiftsOf(ctx, "", cursor, limit)
}

// GiftsOf are the Gifts of one category; "" is all of them.
func (m *Mall) GiftsOf(ctx context.Context, category, cursor string, limit int) (page []Gift, next string, err error) {
	size := int32(min(max(limit, 1), maxPage))
	after := db.GiftsAfterParams{Now: m.millis(), Limit: size + 1}
	if cursor != "" {
		if n, err := fmt.Sscanf(cursor, "%d.%d", &after.AfterPosition, &after.AfterID); n != 2 || err != nil {
			return nil, "", ErrCursor
		}
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
	if len(rows) > int(size) {
		rows = rows[:size]
		next = fmt.Sprintf("%d.%d", rows[size-1].Position, rows[size-1].ID)
	}
	for _, r := range rows {
		g, err := gift(r)
		if err != nil {
			return nil, "", err
		}
		page = append(page, g)
	}
	return page, next, nil
}

// Categories are those of the gifts on sale now, in the order in which they are shown.
func (m *Mall) Categories(ctx context.Context) ([]string, error) {
	names, err := db.New(m.DB).Categories(ctx, db.CategoriesParams{Now: m.millis(), Limit: maxPage})
	if err != nil {
		return nil, fmt.Errorf("read the categories: %w", err)
	}
	return names, nil
}

func gift(r db.MallGift) (Gift, error) {
	g := Gift{
		ID: model.ID(r.ID), Category: r.Category, Kind: Kind(r.Kind), Title: r.Title, Description: r.Description, Picture: r.Picture,
		Points: model.Points(r.Points), Fen: model.Fen(r.Fen), Tier: int(r.Tier), Each: int(r.EachLimit), Total: r.Total, Left: r.Total - r.Reserved,
		StartsAt: model.Millis(r.StartsAt), EndsAt: model.Millis(r.EndsAt), Cancellable: r.Cancellable, ExtendDays: int(r.ExtendDays),
		OnSale: r.State == "on", Position: int(r.Position), Version: r.Version,
	}
	if err := json.Unmarshal([]byte(r.Spec), &g.Spec); err != nil {
		return Gift{}, fmt.Errorf("read the spec of gift %d: %w", r.ID, err)
	}
	return g, nil
}

// maxCoupons is the most codes that one call imports.
const maxCoupons = 1000

// ImportCoupons adds codes to the pool of a gift and to its total; a code that is
// there already is passed over, so that a file may be imported again. It returns how
// many were new.
//
// Errors: ErrCoupon, ErrNoGift when there is no such gift of coupons.
func (m *Mall) ImportCoupons(ctx context.Context, id model.ID, codes []string) (int, error) {
	if len(codes) > maxCoupons {
		return 0, ErrCoupon
	}
	for _, code := range codes {
		if code = strings.TrimSpace(code); !fits(code, 100) || len(code) > 120 {
			return 0, ErrCoupon
		}
	}
	added := 0
	err := sqldb.InTx(ctx, m.DB, func(tx *sql.Tx) error {
		added = 0
		q := db.New(tx)
		for _, code := range codes {
			code, coupon := strings.TrimSpace(code), int64(m.IDs.Next())
			err := q.InsertCoupon(ctx, db.InsertCouponParams{
				ID: coupon, GiftID: int64(id), CodeKey: m.Sealer.IndexText(code, "mall_coupon.code"),
				Code: m.Sealer.SealText([]byte(code), seal.Bind("mall_coupon.code", coupon)), CreatedAt: m.millis(),
			})
			if sqldb.Duplicate(err) {
				continue
			}
			if err != nil {
				return fmt.Errorf("insert coupon: %w", err)
			}
			added++
		}
		n, err := q.AddStock(ctx, db.AddStockParams{N: int64(added), ID: int64(id)})
		if err != nil {
			return fmt.Errorf("add stock: %w", err)
		}
		if n == 0 {
			return ErrNoGift
		}
		return nil
	})
	return added, err
}
