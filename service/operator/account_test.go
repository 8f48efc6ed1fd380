package operator_test

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"kaimenhong/model"
	"kaimenhong/service/operator"
)

func TestSomebodyCanAlwaysManageAccounts(t *testing.T) {
	engines(t, func(t *testing.T, o *office) {
		wang, zhang := o.add(t, "wang", operator.Admin), o.add(t, "zhang", operator.Admin, operator.Planner)
		var wg sync.WaitGroup
		var refused atomic.Int64
		for _, id := range []model.ID{wang, zhang} {
			wg.Go(func() {
				switch err := o.Disable(t.Context(), id, operator.System); {
				case errors.Is(err, operator.ErrLastAdmin):
					refused.Add(1)
				case err != nil:
					t.Errorf("Disable: %v", err)
				}
			})
		}
		wg.Wait()
		if refused.Load() != 1 {
			t.Errorf("of two who disable each other at once %d are refused, want 1", refused.Load())
		}
		want(t, "Disable of nobody", o.Disable(t.Context(), 5, operator.System), operator.ErrUnknown)
	})
}

func TestAnAccountIsChangedAndReset(t *testing.T) {
	engines(t, func(t *testing.T, o *office) {
		boss, id := o.add(t, "boss", operator.Admin), o.add(t, "wang", operator.Planner)
		s, err := o.SignIn(t.Context(), "wang", password, "")
		want(t, "SignIn", err, nil)
		regions := model.Regions{{Province: "广东", City: "深圳"}, {Province: "湖南"}}
		for _, tt := range []struct {
			name string
			c    operator.Change
			want error
		}{
			{"no name", operator.Change{Roles: []operator.Role{operator.Editor}}, operator.ErrName},
			{"no role", operator.Change{Name: "王"}, operator.ErrRole},
			{"a city of nowhere", operator.Change{Name: "王", Roles: []operator.Role{operator.Editor}, Regions: model.Regions{{City: "深圳"}}}, operator.ErrRegion},
			{"a region twice", operator.Change{Name: "王", Roles: []operator.Role{operator.Editor}, Regions: append(regions, regions[0])}, operator.ErrRegion},
			{"a name of spaces", operator.Change{Name: "　 ", Roles: []operator.Role{operator.Editor}}, operator.ErrName},
			{"a name that turns the writing round", operator.Change{Name: "王\u202e小", Roles: []operator.Role{operator.Editor}}, operator.ErrName},
			{"a formula for a name", operator.Change{Name: "=HYPERLINK(1)", Roles: []operator.Role{operator.Editor}}, operator.ErrName},
			{"a space behind a province", operator.Change{Name: "王", Roles: []operator.Role{operator.Editor}, Regions: model.Regions{{Province: "广东"}, {Province: "广东 "}}}, operator.ErrRegion},
			{"a hidden character in a city", operator.Change{Name: "王", Roles: []operator.Role{operator.Editor}, Regions: model.Regions{{Province: "广东", City: "深\u200b圳"}}}, operator.ErrRegion},
			{"all is well", operator.Change{Name: "王", Roles: []operator.Role{operator.Editor}, Regions: regions}, nil},
			{"the same again", operator.Change{Name: "王", Roles: []operator.Role{operator.Editor}, Regions: regions}, nil},
		} {
			want(t, tt.name, o.Update(t.Context(), id, tt.c, boss), tt.want)
		}
		who, err := o.Find(t.Context(), s.Token) // at once, in the session that is open
		if err != nil || !who.Has(operator.Editor) || len(who.Regions) != 2 || !who.Regions.Hold("湖南", "长沙") || who.Regions.Hold("广东", "广州") {
			t.Errorf("Find = %+v, %v", who, err)
		}
		want(t, "Reset to a short one", o.Reset(t.Context(), id, "short", boss), operator.ErrPassword)
		want(t, "Reset", o.Reset(t.Context(), id, "a new one to begin", boss), nil)
		_, err = o.Find(t.Context(), s.Token)
		want(t, "a session after the reset", err, operator.ErrSession)
		s, err = o.SignIn(t.Context(), "wang", "a new one to begin", "")
		if err != nil || !s.Operator.Renew {
			t.Errorf("SignIn = %+v, %v", s.Operator, err)
		}
		want(t, "the old one is wrong", o.SetPassword(t.Context(), s.Operator, s.Token, password, "one of my own, 12"), operator.ErrOldPassword)
		want(t, "SetPassword", o.SetPassword(t.Context(), s.Operator, s.Token, "a new one to begin", "one of my own, 12"), nil)
		if who, err := o.Find(t.Context(), s.Token); err != nil || who.Renew {
			t.Errorf("the session that set the password = %+v, %v", who, err)
		}
		page, next, err := o.List(t.Context(), "", 1)
		if err != nil || len(page) != 1 || page[0].ID != id || next == "" {
			t.Errorf("List = %+v, %q, %v", page, next, err)
		}
		if page, next, err = o.List(t.Context(), next, 1); err != nil || len(page) != 1 || page[0].ID != boss || next != "" {
			t.Errorf("the next page = %+v, %q, %v", page, next, err)
		}
	})
}

func TestNumbersAreSeenForAReasonAndNotByTheThousand(t *testing.T) {
	engines(t, func(t *testing.T, o *office) {
		id := o.add(t, "wang", operator.Support)
		for _, reason := range []string{"", "看看", "  一  ", "换行\n不行的原因"} {
			want(t, "the reason "+reason, o.Reveal(t.Context(), id, 42, reason), operator.ErrReason)
		}
		var seen atomic.Int64
		look := func(n int) {
			var wg sync.WaitGroup
			for range n {
				wg.Go(func() {
					switch err := o.Reveal(t.Context(), id, 42, "用户来电核实身份"); {
					case err == nil:
						seen.Add(1)
					case !errors.Is(err, operator.ErrReveals):
						t.Errorf("Reveal: %v", err)
					}
				})
			}
			wg.Wait()
		}
		look(operator.RevealsAnHour + 5)
		if got := seen.Load(); got != operator.RevealsAnHour {
			t.Errorf("%d numbers were seen in an hour, want %d", got, operator.RevealsAnHour)
		}
		want(t, "looking for somebody counts too", o.Sought(t.Context(), id, 42), operator.ErrReveals)
		for range 6 {
			o.forward(time.Hour)
			look(operator.RevealsAnHour)
		}
		if got := seen.Load(); got != operator.RevealsADay {
			t.Errorf("%d numbers were seen in a day, want %d", got, operator.RevealsADay)
		}
		page, _, err := o.Audit(t.Context(), operator.Trail{Target: "member/42"}, "", 100)
		if err != nil || len(page) != operator.RevealsADay || page[0].Name != "王小明" || string(page[0].Detail) != `{"reason":"用户来电核实身份"}` {
			t.Errorf("Audit = %d lines, %+v, %v", len(page), page[:min(1, len(page))], err)
		}
		c, err := o.Verify(t.Context())
		if err != nil || c.Rows != operator.RevealsADay+1 {
			t.Errorf("Verify = %+v, %v", c, err)
		}
	})
}
