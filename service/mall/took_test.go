package mall

import (
	"database/sql"
	"maps"
	"slices"
	"testing"
	"time"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
)

func TestWhoTookAnOfferIsCounted(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
		f := newMall(t, pool)
		one, other, coupon := f.shelve(func(*Gift) {}), f.shelve(func(g *Gift) { g.OnSale = false }), f.shelve(func(g *Gift) { g.Spec.Offering = "pack-5g" })
		pack, err := f.HandOver(t.Context(), "pack-1g")
		if err != nil || !slices.Equal(pack, []model.ID{other.ID, one.ID}) {
			t.Fatalf("HandOver = %v, %v, want %v and %v", pack, err, other.ID, one.ID)
		}
		const carol, dave = bob + 1, bob + 2
		f.redeem(alice, one, "early", nil)
		*f.at = f.at.Add(time.Hour)
		from := model.At(*f.at)
		f.redeem(alice, one, "a", nil)
		f.redeem(alice, other, "b", nil)
		f.redeem(alice, coupon, "c", nil)
		back := f.redeem(bob, one, "d", nil)
		if _, err := f.Cancel(t.Context(), bob, back.ID); err != nil {
			t.Fatal(err)
		}
		f.redeem(carol, one, "e", nil)
		f.redeem(dave, one, "f", nil)
		*f.at = f.at.Add(time.Hour)
		until := model.At(*f.at)
		f.redeem(carol, one, "late", nil)
		f.join(dave, carol)

		for _, c := range []struct {
			gifts   []model.ID
			members []model.MemberID
			want    map[model.MemberID]int64
		}{
			{pack, []model.MemberID{alice, bob, carol, dave}, map[model.MemberID]int64{alice: 2, carol: 2}},
			{pack[1:], []model.MemberID{alice, bob}, map[model.MemberID]int64{alice: 1}},
			{pack, []model.MemberID{bob}, nil},
			{nil, []model.MemberID{alice}, nil},
			{pack, nil, nil},
		} {
			if got, err := f.Took(t.Context(), c.gifts, c.members, from, until); err != nil || !maps.Equal(got, c.want) {
				t.Errorf("Took(%v, %v) = %v, %v, want %v", c.gifts, c.members, got, err, c.want)
			}
		}
	})
}
