package app

import (
	"context"
	"database/sql"
	"testing"
	"time"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
	"kaimenhong/service/campaign"
)

// line is a carrier of whose every customer little data is left.
type line struct{}

func (line) Balance(context.Context, model.Phone) (model.Balance, error) { return model.Balance{}, nil }
func (line) Plan(context.Context, model.Phone) (model.Plan, error)       { return model.Plan{}, nil }
func (line) Bills(context.Context, model.Phone) (model.Bills, error)     { return model.Bills{}, nil }

func (line) Customer(context.Context, model.Phone) (model.Customer, error) {
	return model.Customer{HolderID: "h1"}, nil
}

func (line) Usage(context.Context, model.Phone) (model.Usage, error) {
	return model.Usage{Allowances: []model.Allowance{{Kind: model.Data, Total: 1000, Left: 5}}}, nil
}

// unsaid is an outbox that forgets.
type unsaid struct{}

func (unsaid) AddTx(context.Context, *sql.Tx, string, model.RequestID, any) error { return nil }

func TestANumberThatCannotBeOpenedKeepsNoOtherFromItsEvent(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
		ctx, now := t.Context(), time.Now
		meters, people := bookOf(t, pool, &registry{holder: "h1"}, now)
		bound := func(openID model.OpenID, digits string) model.MemberID {
			m, err := people.Touch(ctx, model.OfficialAccount, openID)
			if err != nil {
				t.Fatal(err)
			}
			phone, err := model.ParsePhone(digits)
			if err == nil {
				err = people.BindVerified(ctx, m.ID, phone, "b")
			}
			if err != nil {
				t.Fatal(err)
			}
			return m.ID
		}
		alice, bob := bound("oAlice", "13800138001"), bound("oBob", "13800138002")
		if _, err := pool.ExecContext(ctx, "UPDATE member_phone SET phone_sealed = 'xxxx' WHERE member_id = ?", int64(alice)); err != nil {
			t.Fatal(err)
		}
		found, unheard, err := newHappenings(nil, people, meters).Look(ctx, campaign.When{Event: campaign.DataLow}, []model.MemberID{alice, bob}, model.At(now()))
		if err != nil || len(found) != 1 || found[0].Member != bob || len(unheard) != 1 {
			t.Errorf("Look = %+v, %d, %v, want that %s has little data, and one of whom nobody knows", found, unheard, err, bob)
		}
	})
}
