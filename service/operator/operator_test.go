package operator_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"
	"github.com/prometheus/client_golang/prometheus"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
	"kaimenhong/model/seal"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/operator"
)

type office struct {
	*operator.Operators
	db *sql.DB

	mu sync.Mutex
	at time.Time
	// meanwhile happens when somebody looks at the clock, one a look; nil is nothing.
	meanwhile []func()
}

func (o *office) now() time.Time {
	o.mu.Lock()
	var happens func()
	if len(o.meanwhile) > 0 {
		happens, o.meanwhile = o.meanwhile[0], o.meanwhile[1:]
	}
	o.mu.Unlock()
	if happens != nil {
		happens()
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.at
}

func (o *office) forward(d time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.at = o.at.Add(d)
}

const password = "correct horse battery"

func engines(t *testing.T, run func(t *testing.T, o *office)) {
	t.Helper()
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		o := &office{db: db, at: time.Date(2026, 2, 17, 9, 0, 0, 0, model.Shanghai)}
		ids, err := model.NewIDs(1, o.now)
		if err != nil {
			t.Fatal(err)
		}
		sealer, err := seal.New(map[int][]byte{1: bytes.Repeat([]byte{1}, seal.KeySize)}, nil)
		if err != nil {
			t.Fatal(err)
		}
		o.Operators, err = operator.New(db, sealer, ids, o.now, slog.New(slog.DiscardHandler), prometheus.NewRegistry(), operator.Options{})
		if err != nil {
			t.Fatal(err)
		}
		run(t, o)
	})
}

func (o *office) add(t *testing.T, username string, roles ...operator.Role) model.ID {
	t.Helper()
	id, err := o.Add(t.Context(), operator.Account{Username: username, Name: "王小明", Password: password, Roles: roles}, operator.System)
	if err != nil {
		t.Fatalf("Add: %v", err)
	}
	return id
}

func want(t *testing.T, name string, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Fatalf("%s: %v, want %v", name, got, want)
	}
}

func TestAnAccountIsChecked(t *testing.T) {
	engines(t, func(t *testing.T, o *office) {
		o.add(t, "wang", operator.Admin)
		for _, tt := range []struct {
			name string
			a    operator.Account
			want error
		}{
			{"a name that is taken", operator.Account{Username: "wang", Name: "王", Password: password, Roles: []operator.Role{operator.Admin}}, operator.ErrTaken},
			{"upper case", operator.Account{Username: "Wang2", Name: "王", Password: password, Roles: []operator.Role{operator.Admin}}, operator.ErrUsername},
			{"no name", operator.Account{Username: "wang2", Password: password, Roles: []operator.Role{operator.Admin}}, operator.ErrName},
			{"a short password", operator.Account{Username: "wang2", Name: "王", Password: "short", Roles: []operator.Role{operator.Admin}}, operator.ErrPassword},
			{"a long password", operator.Account{Username: "wang2", Name: "王", Password: strings.Repeat("x", 129), Roles: []operator.Role{operator.Admin}}, operator.ErrPassword},
			{"the name in it", operator.Account{Username: "wang2", Name: "王", Password: "Wang2-and-more", Roles: []operator.Role{operator.Admin}}, operator.ErrPassword},
			{"no role", operator.Account{Username: "wang2", Name: "王", Password: password}, operator.ErrRole},
			{"an unknown role", operator.Account{Username: "wang2", Name: "王", Password: password, Roles: []operator.Role{"root"}}, operator.ErrRole},
			{"a role twice", operator.Account{Username: "wang2", Name: "王", Password: password, Roles: []operator.Role{operator.Admin, operator.Admin}}, operator.ErrRole},
		} {
			t.Run(tt.name, func(t *testing.T) {
				_, err := o.Add(t.Context(), tt.a, operator.System)
				want(t, "Add", err, tt.want)
			})
		}
	})
}

func TestSigningIn(t *testing.T) {
	engines(t, func(t *testing.T, o *office) {
		id := o.add(t, "wang", operator.Planner, operator.Editor)
		s, err := o.SignIn(t.Context(), "wang", password, "")
		want(t, "SignIn", err, nil)
		who, err := o.Find(t.Context(), s.Token)
		if err != nil || who.ID != id || !who.Has(operator.Editor) || who.Has(operator.Admin) {
			t.Fatalf("Find = %+v, %v", who, err)
		}
		for _, bad := range []struct{ username, password string }{{"wang", "wrong password"}, {"nobody", password}, {"wang", strings.Repeat("x", 200)}, {"", ""}} {
			_, err := o.SignIn(t.Context(), bad.username, bad.password, "")
			want(t, "SignIn as "+bad.username, err, operator.ErrSignIn)
		}
		_, err = o.Find(t.Context(), "made up")
		want(t, "a token that was made up", err, operator.ErrSession)

		o.forward(20 * time.Minute)
		_, err = o.Find(t.Context(), s.Token)
		want(t, "in use", err, nil)
		o.forward(20 * time.Minute)
		_, err = o.Find(t.Context(), s.Token)
		want(t, "still in use", err, nil)
		o.forward(30 * time.Minute)
		_, err = o.Find(t.Context(), s.Token)
		want(t, "idle", err, operator.ErrSession)

		s, err = o.SignIn(t.Context(), "wang", password, "")
		want(t, "SignIn again", err, nil)
		want(t, "SignOut", o.SignOut(t.Context(), s.Token), nil)
		want(t, "SignOut again", o.SignOut(t.Context(), s.Token), operator.ErrSession)
		_, err = o.Find(t.Context(), s.Token)
		want(t, "signed out", err, operator.ErrSession)

		s, err = o.SignIn(t.Context(), "wang", password, "")
		want(t, "SignIn a third time", err, nil)
		want(t, "Disable", o.Disable(t.Context(), id, operator.System), nil)
		_, err = o.Find(t.Context(), s.Token)
		want(t, "disabled", err, operator.ErrSession)
		_, err = o.SignIn(t.Context(), "wang", password, "")
		want(t, "SignIn when disabled", err, operator.ErrSignIn)

		o.add(t, "zhang", operator.Auditor)
		_, err = o.SignIn(t.Context(), "zhang", password, "")
		want(t, "SignIn of another", err, nil)
		o.forward(24 * time.Hour)
		if n, err := o.Purge(t.Context(), 100); err != nil || n != 1 {
			t.Errorf("Purge = %d, %v, want 1", n, err)
		}
	})
}

func TestGuessingAtOnceIsNoFaster(t *testing.T) {
	engines(t, func(t *testing.T, o *office) {
		o.add(t, "wang", operator.Admin)
		var compared atomic.Int64
		var wg sync.WaitGroup
		for i := range 40 {
			wg.Go(func() {
				switch _, err := o.SignIn(context.Background(), "wang", fmt.Sprintf("guess number %d", i), ""); {
				case errors.Is(err, operator.ErrSignIn):
					compared.Add(1)
				case errors.Is(err, operator.ErrLocked):
				default:
					t.Errorf("SignIn: %v", err)
				}
			})
		}
		wg.Wait()
		if n := compared.Load(); n < 1 || n > 5 {
			t.Errorf("%d guesses were compared, want 1 to 5", n)
		}
		for range 6 {
			_, err := o.SignIn(t.Context(), "wang", "a wrong password", "")
			if err == nil {
				t.Fatal("a wrong password signs in")
			}
		}
		_, err := o.SignIn(t.Context(), "wang", password, "")
		want(t, "the right one while locked", err, operator.ErrLocked)
		o.forward(15 * time.Minute)
		_, err = o.SignIn(t.Context(), "wang", password, "")
		want(t, "the right one afterwards", err, nil)
	})
}

func TestTOTP(t *testing.T) {
	engines(t, func(t *testing.T, o *office) {
		id := o.add(t, "wang", operator.Admin)
		address, err := o.Enrol(t.Context(), id)
		want(t, "Enrol", err, nil)
		u, err := url.Parse(address)
		want(t, "Parse", err, nil)
		code := func() string {
			c, err := totp.GenerateCode(u.Query().Get("secret"), o.now())
			want(t, "GenerateCode", err, nil)
			return c
		}
		_, err = o.SignIn(t.Context(), "wang", password, "")
		want(t, "enrolled, not active", err, nil)
		want(t, "a wrong code", o.Activate(t.Context(), id, "abcdef"), operator.ErrTOTP)
		want(t, "Activate", o.Activate(t.Context(), id, code()), nil)
		want(t, "Activate again", o.Activate(t.Context(), id, code()), operator.ErrTOTPState)
		_, err = o.Enrol(t.Context(), id)
		want(t, "Enrol again", err, operator.ErrTOTPState)
		_, err = o.SignIn(t.Context(), "wang", password, code())
		want(t, "the code that activated it", err, operator.ErrSignIn)
		o.forward(30 * time.Second)
		s, err := o.SignIn(t.Context(), "wang", password, code())
		if err != nil || !s.Operator.TOTP {
			t.Fatalf("SignIn = %+v, %v", s.Operator, err)
		}
		_, err = o.SignIn(t.Context(), "wang", password, code())
		want(t, "the same code again", err, operator.ErrSignIn)
		o.forward(30 * time.Second)
		_, err = o.SignIn(t.Context(), "wang", password, "")
		want(t, "no code", err, operator.ErrSignIn)
	})
}

func (o *office) audit(t *testing.T, action string) {
	t.Helper()
	err := sqldb.InTx(t.Context(), o.db, func(tx *sql.Tx) error {
		return o.RecordTx(t.Context(), tx, model.AuditEntry{Operator: 7, Action: action, Target: model.Ref{Type: "campaign", ID: "42"}, Detail: map[string]int{"budget": 100}})
	})
	want(t, "RecordTx", err, nil)
}

func TestTheAuditCatchesWhatIsDoneToIt(t *testing.T) {
	for _, tt := range []struct{ name, statement string }{
		{"a changed detail", "UPDATE operator_audit SET detail = '{\"budget\":999}' WHERE seq = 2"},
		{"a changed actor", "UPDATE operator_audit SET operator_id = 8 WHERE seq = 2"},
		{"a changed instant", "UPDATE operator_audit SET happened_at = happened_at + 1 WHERE seq = 3"},
		{"a row left out", "DELETE FROM operator_audit WHERE seq = 2"},
		{"the end cut off", "DELETE FROM operator_audit WHERE seq = 3"},
		{"a row added", "INSERT INTO operator_audit (seq, operator_id, action, target, detail, happened_at, hash) SELECT 4, operator_id, action, target, detail, happened_at, hash FROM operator_audit WHERE seq = 3"},
		{"the end moved", "UPDATE operator_audit_head SET hash = 'x'"},
		{"a row moved", "UPDATE operator_audit SET seq = 9 WHERE seq = 3"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			engines(t, func(t *testing.T, o *office) {
				for _, action := range []string{"campaign.add", "campaign.approve", "campaign.start"} {
					o.audit(t, action)
				}
				c, err := o.Verify(t.Context())
				if err != nil || c.Rows != 3 {
					t.Fatalf("Verify = %+v, %v, want 3 rows", c, err)
				}
				if _, err := o.db.ExecContext(t.Context(), tt.statement); err != nil {
					t.Fatal(err)
				}
				_, err = o.Verify(t.Context())
				want(t, "Verify", err, operator.ErrTampered)
			})
		})
	}
}

func TestWritersOfTheAuditStandInLine(t *testing.T) {
	engines(t, func(t *testing.T, o *office) {
		if c, err := o.Verify(t.Context()); err != nil || c.Rows != 0 {
			t.Fatalf("Verify of nothing = %+v, %v", c, err)
		}
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() { o.audit(t, "campaign.change") })
		}
		wg.Wait()
		rolledBack := errors.New("changed his mind")
		err := sqldb.InTx(t.Context(), o.db, func(tx *sql.Tx) error {
			return errors.Join(o.RecordTx(t.Context(), tx, model.AuditEntry{Action: "campaign.change", Target: model.Ref{Type: "campaign", ID: "42"}}), rolledBack)
		})
		want(t, "a change that is taken back", err, rolledBack)
		if c, err := o.Verify(t.Context()); err != nil || c.Rows != 20 {
			t.Fatalf("Verify = %+v, %v, want 20 rows", c, err)
		}
	})
}
