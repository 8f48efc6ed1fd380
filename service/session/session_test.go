package session_test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
	"kaimenhong/model/fault"
	"kaimenhong/service/session"
)

// world is WeChat, the members and their numbers: a code is good once.
type world struct {
	mu    sync.Mutex
	now   time.Time
	used  map[string]bool
	bound map[model.RequestID]bool
	binds int
	down  bool
	is    func() (model.MemberID, error) // who alice is now; nil: herself
	into  model.MemberID                 // whom she became while she signed in
}

var (
	errCode = fault.New(fault.Unauthenticated, "wechat.login_code", "坏")
	errDown = fault.New(fault.Unavailable, "wechat.busy", "忙")
)

func (w *world) clock() time.Time { w.mu.Lock(); defer w.mu.Unlock(); return w.now }

func (w *world) pass(d time.Duration) { w.mu.Lock(); w.now = w.now.Add(d); w.mu.Unlock() }

func (w *world) spend(code string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.down:
		return errDown
	case w.used[code] || strings.HasPrefix(code, "bad"):
		return errCode
	}
	w.used[code] = true
	return nil
}

func (w *world) Code2Session(_ context.Context, code string) (model.OpenID, model.UnionID, error) {
	return "openid", "unionid", w.spend(code)
}

func (w *world) PhoneNumber(_ context.Context, code string) (model.Phone, error) {
	phone, _ := model.ParsePhone("13812345678")
	return phone, w.spend(code)
}

const alice model.MemberID = 7

func (w *world) Touch(context.Context, model.App, model.OpenID) (model.Member, error) {
	return model.Member{ID: alice}, nil
}

func (w *world) Join(context.Context, model.App, model.OpenID, model.UnionID) (model.Member, error) {
	return model.Member{ID: alice}, nil
}

func (w *world) Resolve(_ context.Context, id model.MemberID) (model.MemberID, error) {
	if w.is != nil {
		return w.is()
	}
	return id, nil
}

func (w *world) BindVerified(_ context.Context, _ model.MemberID, _ model.Phone, r model.RequestID) error {
	w.bound[r] = true
	w.binds++
	return nil
}

func (w *world) BoundBy(_ context.Context, _ model.MemberID, r model.RequestID) (bool, error) {
	return w.bound[r], nil
}

var (
	keyA = session.NewKey(bytes.Repeat([]byte{1}, 32))
	keyB = session.NewKey(bytes.Repeat([]byte{2}, 32))
)

func newWorld() *world {
	return &world{now: time.Date(2026, 2, 17, 8, 0, 0, 0, time.UTC), used: map[string]bool{}, bound: map[model.RequestID]bool{}}
}

func newSessions(t *testing.T, db *sql.DB, w *world, node int64, keys ...session.Key) (*session.Sessions, *prometheus.Registry) {
	t.Helper()
	ids, err := model.NewIDs(node, w.clock)
	if err != nil {
		t.Fatal(err)
	}
	if len(keys) == 0 {
		keys = []session.Key{keyA}
	}
	reg := prometheus.NewRegistry()
	s, err := session.New(session.Deps{
		DB: db, IDs: ids, Now: w.clock, Log: slog.New(slog.DiscardHandler), Metrics: reg, Keys: keys, Platform: w, People: w, Living: w, Binder: w,
	}, session.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return s, reg
}

func open(t *testing.T, s *session.Sessions, code string) session.Tokens {
	t.Helper()
	got, err := s.Open(t.Context(), code, model.RequestID("open-"+code))
	if err != nil {
		t.Fatalf("Open = %v, want nil", err)
	}
	return got
}

func TestALoginCodeOpensOneSession(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		w := newWorld()
		s, reg := newSessions(t, db, w, 1)
		first := open(t, s, "c1")
		for _, tt := range []struct {
			name, code string
			request    model.RequestID
			want       error
		}{
			{"the repeat of the request gets the same session", "c1", "open-c1", nil},
			{"another request with the same code is refused", "c1", "thief", session.ErrCodeUsed},
			{"a code that WeChat refuses", "bad", "b", session.ErrCode},
			{"no code", "", "b", session.ErrCode},
			{"a code that is too long", strings.Repeat("x", 257), "b", session.ErrCode},
			{"no request", "c2", "", session.ErrRequest},
		} {
			t.Run(tt.name, func(t *testing.T) {
				got, err := s.Open(t.Context(), tt.code, tt.request)
				if !errors.Is(err, tt.want) {
					t.Fatalf("Open = %v, want %v", err, tt.want)
				}
				if err != nil {
					return
				}
				a, errA := s.Verify(t.Context(), first.Access)
				b, errB := s.Verify(t.Context(), got.Access)
				if errA != nil || errB != nil || a.Session != b.Session || b.Member != alice {
					t.Errorf("the repeat is session %v of %v (%v, %v), want %v", b.Session, b.Member, errA, errB, a.Session)
				}
				if _, err := s.Refresh(t.Context(), got.Refresh, "r"); err != nil {
					t.Errorf("its refresh token: %v", err)
				}
			})
		}
		w.pass(time.Hour)
		if _, err := s.Open(t.Context(), "c1", "open-c1"); !errors.Is(err, session.ErrCodeUsed) {
			t.Errorf("an hour later the repeat = %v, want ErrCodeUsed", err)
		}
		w.down = true
		if _, err := s.Open(t.Context(), "c9", "d"); fault.KindOf(err) != fault.Unavailable {
			t.Errorf("with WeChat down Open = %v, want Unavailable", err)
		}
		if n := counted(t, reg, "code_used"); n != 2 {
			t.Errorf("counted %v used codes, want 2", n)
		}
	})
}

func counted(t *testing.T, reg *prometheus.Registry, reason string) float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == "session_refused_total" && m.GetLabel()[0].GetValue() == reason {
				return m.GetCounter().GetValue()
			}
		}
	}
	return 0
}

func TestOfManyWithOneCodeOneOpensASession(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		w := newWorld()
		a, _ := newSessions(t, db, w, 1)
		b, _ := newSessions(t, db, w, 2)
		var wait sync.WaitGroup
		var mu sync.Mutex
		won := 0
		for i := range 8 {
			s := []*session.Sessions{a, b}[i%2]
			wait.Go(func() {
				_, err := s.Open(t.Context(), "race", model.RequestID(fmt.Sprint("r", i)))
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					won++
				} else if fault.KindOf(err) != fault.Unauthenticated {
					t.Errorf("Open = %v, want a refusal", err)
				}
			})
		}
		wait.Wait()
		if won != 1 {
			t.Errorf("%d sessions were opened, want 1", won)
		}
	})
}

func TestARefreshTokenIsGoodOnce(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		w := newWorld()
		s, _ := newSessions(t, db, w, 1)
		ctx := t.Context()
		first := open(t, s, "c1")
		second, err := s.Refresh(ctx, first.Refresh, "r1")
		if err != nil {
			t.Fatal(err)
		}
		again, err := s.Refresh(ctx, first.Refresh, "r1")
		if err != nil {
			t.Fatalf("the repeat of a refresh = %v, want fresh tokens", err)
		}
		if _, err := s.Verify(ctx, second.Access); err != nil {
			t.Errorf("what the first try got = %v, want nil", err)
		}
		third, err := s.Refresh(ctx, again.Refresh, "r2")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Refresh(ctx, first.Refresh, "r1"); !errors.Is(err, session.ErrReused) {
			t.Errorf("the old token after its child was used = %v, want ErrReused", err)
		}
		for name, token := range map[string]string{"first": first.Access, "third": third.Access} {
			if _, err := s.Verify(ctx, token); !errors.Is(err, session.ErrEnded) {
				t.Errorf("after the theft the %s access token = %v, want ErrEnded", name, err)
			}
		}
		if _, err := s.Refresh(ctx, third.Refresh, "r3"); !errors.Is(err, session.ErrEnded) {
			t.Errorf("after the theft the newest refresh token = %v, want ErrEnded", err)
		}
		for _, bad := range []string{"", "nonsense", strings.Repeat("x", 129)} {
			if _, err := s.Refresh(ctx, bad, "r4"); !errors.Is(err, session.ErrRefresh) {
				t.Errorf("Refresh(%.10q) = %v, want ErrRefresh", bad, err)
			}
		}
		old := open(t, s, "c2")
		w.pass(31 * 24 * time.Hour)
		if _, err := s.Refresh(ctx, old.Refresh, "r5"); !errors.Is(err, session.ErrRefresh) {
			t.Errorf("after 31 days = %v, want ErrRefresh", err)
		}
	})
}

func TestOfManyRefreshesAtOnceOneWinsAndTheFamilyEnds(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		s, _ := newSessions(t, db, newWorld(), 1)
		first := open(t, s, "c1")
		var wait sync.WaitGroup
		var mu sync.Mutex
		won := 0
		for i := range 8 {
			wait.Go(func() {
				if _, err := s.Refresh(t.Context(), first.Refresh, model.RequestID(fmt.Sprint("r", i))); err == nil {
					mu.Lock()
					won++
					mu.Unlock()
				}
			})
		}
		wait.Wait()
		if _, err := s.Verify(t.Context(), first.Access); won != 1 || !errors.Is(err, session.ErrEnded) {
			t.Errorf("%d refreshes won and the session = %v, want 1 and ErrEnded", won, err)
		}
	})
}

func TestOnlyOurOwnTokensPass(t *testing.T) {
	w := newWorld()
	s, reg := newSessions(t, dbtest.SQLite(t), w, 1)
	good := open(t, s, "c1").Access
	parts := strings.Split(good, ".")
	forge := func(method jwt.SigningMethod, key any, change func(h map[string]any, c jwt.MapClaims)) string {
		c := jwt.MapClaims{"iss": "kaimenhong", "sub": "7", "sid": "9", "app": "mini_program", "iat": w.now.Unix(), "exp": w.now.Add(time.Hour).Unix()}
		token := jwt.NewWithClaims(method, c)
		token.Header["kid"] = keyA.ID
		if change != nil {
			change(token.Header, c)
		}
		text, err := token.SignedString(key)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	none := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","typ":"JWT"}`)) + "." + parts[1] + "."
	for _, tt := range []struct {
		name, token, reason string
		want                error
	}{
		{"no token", "", "missing", session.ErrMissing},
		{"alg none", none, "signature", session.ErrToken},
		{"alg none with the old signature", none + parts[2], "signature", session.ErrToken},
		{"alg none by the library", forge(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, nil), "signature", session.ErrToken},
		{"HS512 with the right key", forge(jwt.SigningMethodHS512, keyA.Secret, nil), "signature", session.ErrToken},
		{"another key", forge(jwt.SigningMethodHS256, keyB.Secret, nil), "signature", session.ErrToken},
		{"a key id of nobody", forge(jwt.SigningMethodHS256, keyA.Secret, func(h map[string]any, _ jwt.MapClaims) { h["kid"] = "x" }), "key", session.ErrToken},
		{"no key id", forge(jwt.SigningMethodHS256, keyA.Secret, func(h map[string]any, _ jwt.MapClaims) { delete(h, "kid") }), "key", session.ErrToken},
		{"another issuer", forge(jwt.SigningMethodHS256, keyA.Secret, func(_ map[string]any, c jwt.MapClaims) { c["iss"] = "x" }), "malformed", session.ErrToken},
		{"no expiry", forge(jwt.SigningMethodHS256, keyA.Secret, func(_ map[string]any, c jwt.MapClaims) { delete(c, "exp") }), "malformed", session.ErrToken},
		{"no member", forge(jwt.SigningMethodHS256, keyA.Secret, func(_ map[string]any, c jwt.MapClaims) { c["sub"] = "-1" }), "malformed", session.ErrToken},
		{"another member in the claims", parts[0] + "." + base64.RawURLEncoding.EncodeToString([]byte(`{"sub":"8"}`)) + "." + parts[2], "signature", session.ErrToken},
		{"a signature with one bit changed", flip(good), "signature", session.ErrToken},
		{"two parts", parts[0] + "." + parts[1], "malformed", session.ErrToken},
		{"a huge token", strings.Repeat("a", 5000), "malformed", session.ErrToken},
		{"an expired token", forge(jwt.SigningMethodHS256, keyA.Secret, func(_ map[string]any, c jwt.MapClaims) { c["exp"] = w.now.Add(-time.Second).Unix() }), "expired", session.ErrExpired},
		{"a session that never was", forge(jwt.SigningMethodHS256, keyA.Secret, nil), "ended", session.ErrEnded},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := counted(t, reg, tt.reason)
			if _, err := s.Verify(t.Context(), tt.token); !errors.Is(err, tt.want) {
				t.Errorf("Verify = %v, want %v", err, tt.want)
			}
			if n := counted(t, reg, tt.reason) - before; n != 1 {
				t.Errorf("counted %v times as %s, want once", n, tt.reason)
			}
		})
	}
	if who, err := s.Verify(t.Context(), good); err != nil || who.Member != alice {
		t.Errorf("our own token = %v, %v, want %v", who.Member, err, alice)
	}
	if who, err := s.Verify(t.Context(), good); err != nil || who.Member != alice {
		t.Errorf("our own token again = %v, %v, want %v", who.Member, err, alice)
	}
	if _, err := s.Verify(t.Context(), flip(good)); !errors.Is(err, session.ErrToken) {
		t.Errorf("a neighbour of a token that passed = %v, want ErrToken", err)
	}
	w.pass(15 * time.Minute)
	if _, err := s.Verify(t.Context(), good); !errors.Is(err, session.ErrExpired) {
		t.Errorf("after 15 minutes = %v, want ErrExpired", err)
	}
}

// flip changes a bit in the middle of the signature.
func flip(token string) string {
	b := []byte(token)
	i := len(b) - 10
	if b[i] == 'A' {
		b[i] = 'B'
	} else {
		b[i] = 'A'
	}
	return string(b)
}

func TestKeysFollowOneAnother(t *testing.T) {
	db, w := dbtest.SQLite(t), newWorld()
	old, _ := newSessions(t, db, w, 1, keyA)
	both, _ := newSessions(t, db, w, 2, keyB, keyA)
	alone, _ := newSessions(t, db, w, 3, keyB)
	token := open(t, old, "c1").Access
	if _, err := both.Verify(t.Context(), token); err != nil {
		t.Errorf("while both keys are known = %v, want nil", err)
	}
	if _, err := alone.Verify(t.Context(), token); !errors.Is(err, session.ErrToken) {
		t.Errorf("once the old key is gone = %v, want ErrToken", err)
	}
	if _, err := alone.Verify(t.Context(), open(t, both, "c2").Access); err != nil {
		t.Errorf("what the new key signed = %v, want nil", err)
	}
}

func TestAnEndedSessionIsRefusedEverywhere(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		w := newWorld()
		here, _ := newSessions(t, db, w, 1)
		there, _ := newSessions(t, db, w, 2)
		for _, s := range []*session.Sessions{here, there} {
			if err := s.Refetch(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		one, two := open(t, here, "c1"), open(t, here, "c2")
		who, err := here.Verify(t.Context(), one.Access)
		if err != nil {
			t.Fatal(err)
		}
		if err := here.End(t.Context(), who.Session); err != nil {
			t.Fatal(err)
		}
		if _, err := here.Verify(t.Context(), one.Access); !errors.Is(err, session.ErrEnded) {
			t.Errorf("here, at once = %v, want ErrEnded", err)
		}
		w.pass(time.Second)
		if err := there.Refetch(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := there.Verify(t.Context(), one.Access); !errors.Is(err, session.ErrEnded) {
			t.Errorf("there, after a poll = %v, want ErrEnded", err)
		}
		if got, err := there.VerifyEnded(t.Context(), one.Access); err != nil || !got.Ended {
			t.Errorf("VerifyEnded = %+v, %v, want it marked", got, err)
		}
		tx, err := db.BeginTx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(here.CloseTx(t.Context(), tx, alice), tx.Commit()); err != nil {
			t.Fatal(err)
		}
		w.pass(time.Minute) // no poll for a minute: the database is asked
		if _, err := there.Verify(t.Context(), two.Access); !errors.Is(err, session.ErrEnded) {
			t.Errorf("after closing, cut off from the polls = %v, want ErrEnded", err)
		}
	})
}

func TestAProcessThatIsCutOffRefuses(t *testing.T) {
	db, w := dbtest.SQLite(t), newWorld()
	s, _ := newSessions(t, db, w, 1)
	token := open(t, s, "c1").Access
	if err := s.Refetch(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Verify(t.Context(), token); err != nil {
		t.Errorf("a moment after a poll = %v, want nil: no store is read", err)
	}
	w.pass(time.Minute)
	if _, err := s.Verify(t.Context(), token); err == nil {
		t.Error("a minute after the last poll = nil, want an error")
	}
}

func TestAPhoneCodeIsGoodOnce(t *testing.T) {
	w := newWorld()
	s, reg := newSessions(t, dbtest.SQLite(t), w, 1)
	for _, tt := range []struct {
		name, code string
		request    model.RequestID
		want       error
	}{
		{"binds", "p1", "a", nil},
		{"the repeat changes nothing, though the code is used up", "p1", "a", nil},
		{"another request with the same code", "p1", "b", session.ErrPhoneCode},
		{"an expired code", "bad", "c", session.ErrPhoneCode},
		{"no code", "", "c", session.ErrPhoneCode},
	} {
		if err := s.BindPhone(t.Context(), alice, tt.code, tt.request); !errors.Is(err, tt.want) {
			t.Errorf("%s: BindPhone = %v, want %v", tt.name, err, tt.want)
		}
	}
	if w.binds != 1 || counted(t, reg, "phone_code") != 3 {
		t.Errorf("bound %d times and counted %v refusals, want 1 and 3", w.binds, counted(t, reg, "phone_code"))
	}
	if problems, err := testutil.GatherAndLint(reg); err != nil || len(problems) > 0 {
		t.Errorf("metrics: %v %v", problems, err)
	}
}

func TestExpiredSessionsArePurged(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		w := newWorld()
		s, _ := newSessions(t, db, w, 1)
		open(t, s, "c1")
		w.pass(32 * 24 * time.Hour)
		open(t, s, "c2")
		if n, err := s.Purge(t.Context(), 10); n != 1 || err != nil {
			t.Errorf("Purge = %d, %v, want 1", n, err)
		}
		if left, err := s.Export(t.Context(), alice); len(left) != 1 || err != nil {
			t.Errorf("%d sessions are left (%v), want 1", len(left), err)
		}
		var tokens int
		if err := db.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM session_refresh").Scan(&tokens); err != nil || tokens != 1 {
			t.Errorf("%d refresh tokens are left (%v), want 1", tokens, err)
		}
	})
}
