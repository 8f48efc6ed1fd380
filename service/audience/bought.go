package audience

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"

	"kaimenhong/model"
	"kaimenhong/service/audience/internal/db"
)

// maxProduct bounds the code of a product, in bytes, as the column has it.
const maxProduct = 64

// product tells whether a text may be the code of a product of the carrier's catalogue:
// printable ASCII without a space. None is "".
func product(s string) bool { return s == "" || len(s) <= maxProduct && model.RequestID(s).Valid() }

// boughtTx keeps which products the acts bought, by day.
func (a *Audience) boughtTx(ctx context.Context, tx *sql.Tx, acts []Act) error {
	fresh, members, oldest := map[db.AudienceBought]bool{}, map[int64]bool{}, int32(maxDay)
	for _, act := range acts {
		if act.Product == "" {
			continue
		}
		row := db.AudienceBought{MemberID: int64(act.Member), Product: act.Product, Day: int32(model.DayOf(act.At.Time()))}
		fresh[row], members[row.MemberID], oldest = true, true, min(oldest, row.Day)
	}
	if len(fresh) == 0 {
		return nil
	}
	standing, err := a.q.WithTx(tx).BoughtBy(ctx, db.BoughtByParams{Ids: sorted(members), Day: oldest})
	if err != nil {
		return err
	}
	for _, row := range standing {
		delete(fresh, row)
	}
	rows := make([]db.AudienceBought, 0, len(fresh))
	for row := range fresh {
		rows = append(rows, row)
	}
	slices.SortFunc(rows, func(x, y db.AudienceBought) int { // in the order of the key
		return cmp.Or(cmp.Compare(x.MemberID, y.MemberID), cmp.Compare(x.Product, y.Product), cmp.Compare(x.Day, y.Day))
	})
	args := make([]any, 0, 3*len(rows))
	for _, row := range rows {
		args = append(args, row.MemberID, row.Product, int64(row.Day))
	}
	return insertRows(ctx, tx, "audience_bought", 3, args)
}

// Bought is who of the members bought the product of the carrier's from one day to
// another, both among them, as its files of purchases say. Errors: ErrTooMany.
func (a *Audience) Bought(ctx context.Context, product string, members []model.MemberID, from, to model.Day) ([]model.MemberID, error) {
	return a.asked(ctx, members, func(s *statement) {
		s.add("SELECT DISTINCT b.member_id FROM audience_bought b WHERE b.product = ? AND b.day >= ? AND b.day <= ? AND ", product, int32(from), int32(to))
		s.among("b.member_id", members)
		s.add(" ORDER BY b.member_id")
	})
}

// Product is that something of the carrier's catalogue was bought on a day.
type Product struct {
	Product string `json:"product"` // its code
	Day     string `json:"day"`     // 2026-02-17
}

// Products are what a member bought by the carrier's files, the newest first, at most as
// many as the limit.
func (a *Audience) Products(ctx context.Context, member model.MemberID, limit int) ([]Product, error) {
	rows, err := a.q.ProductsOf(ctx, db.ProductsOfParams{MemberID: int64(member), Limit: int32(limit)})
	if err != nil {
		return nil, fmt.Errorf("read what was bought: %w", err)
	}
	bought := make([]Product, len(rows))
	for i, r := range rows {
		bought[i] = Product{r.Product, model.Day(r.Day).String()}
	}
	return bought, nil
}

// pruneBought forgets what was bought before a day.
func (a *Audience) pruneBought(ctx context.Context, before int32) error {
	for range pruneRounds {
		rows, err := a.q.OldBought(ctx, db.OldBoughtParams{Day: before, Limit: pruneBatch})
		if err != nil {
			return fmt.Errorf("find old purchases: %w", err)
		}
		if len(rows) == 0 {
			break
		}
		members := map[int64]bool{}
		for _, id := range rows {
			members[id] = true
		}
		if err := a.q.DropOldBought(ctx, db.DropOldBoughtParams{Ids: sorted(members), Day: before}); err != nil {
			return fmt.Errorf("drop old purchases: %w", err)
		}
	}
	return nil
}
