package member

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
)

// purse is another domain that keeps something of a member: one row each.
type purse struct {
	mu    sync.Mutex
	err   error
	calls []model.MemberID
}

func (p *purse) JoinTx(ctx context.Context, tx *sql.Tx, from, into model.MemberID) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls = append(p.calls, from)
	if p.err != nil {
		return p.err
	}
	_, err := tx.ExecContext(ctx, "INSERT INTO outbox (id, topic, request_id, payload, attempts, next_at, lease_token, leased_until, done_at, error, created_at) VALUES (?, 'purse', ?, '', 0, 0, '', 0, 0, '', 0)", int64(from), from.String())
	return err
}

func TestTwoMembersOfOneUnionIDBecomeOneOnce(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		p := &purse{}
		w := newWorld(t, db, dbtest.EmbeddedRedis(t), Options{}, p)
		older := w.touch(t, "oAccount")
		want(t, "bind the older", w.BindVerified(t.Context(), older.ID, phone(1), "b1"), nil)
		w.clock.forward(time.Hour)
		newer, err := w.Touch(t.Context(), model.MiniProgram, "oProgram")
		want(t, "touch", err, nil)
		want(t, "bind the newer", w.BindVerified(t.Context(), newer.ID, phone(2), "b2"), nil)
		want(t, "consent of the newer", w.Decide(t.Context(), newer.ID, []Decision{{Marketing, 1, true}}, "c"), nil)
		if _, err := w.Follow(t.Context(), "oAccount", "scene-7", w.nowMillis()); err != nil {
			t.Fatal(err)
		}

		got, err := w.Join(t.Context(), model.OfficialAccount, "oAccount", "uOne")
		if err != nil || got.ID != older.ID || got.UnionID != "uOne" {
			t.Fatalf("Join = %+v, %v, want the older with his unionid", got, err)
		}
		var wg sync.WaitGroup
		for range 8 { // the same sign-in, eight times at once
			wg.Go(func() {
				got, err := w.Join(t.Context(), model.MiniProgram, "oProgram", "uOne")
				if err != nil || got.ID != older.ID {
					t.Errorf("Join = %d, %v, want %d", got.ID, err, older.ID)
				}
			})
		}
		wg.Wait()
		got, err = w.Get(t.Context(), newer.ID, model.MiniProgram)
		if err != nil || got.ID != older.ID || got.Phone != phone(2) || !got.Follows || got.Source != "scene-7" || got.OpenID != "oProgram" {
			t.Fatalf("the old id leads to %+v, %v, want the older with the later number", got, err)
		}
		for _, id := range []model.MemberID{older.ID, newer.ID} {
			if all, err := w.AllIDs(t.Context(), id); err != nil || len(all) != 2 || all[0] != newer.ID || all[1] != older.ID {
				t.Errorf("AllIDs(%s) = %v, %v, want both", id, all, err)
			}
		}
		if _, err := w.AllIDs(t.Context(), 404); !errors.Is(err, ErrUnknown) {
			t.Errorf("AllIDs of nobody = %v, want ErrUnknown", err)
		}
		if agrees, err := w.Agrees(t.Context(), newer.ID, Marketing); err != nil || !agrees {
			t.Errorf("consent after the merge = %v, %v, want it kept", agrees, err)
		}
		var merges int
		if err := db.QueryRow("SELECT COUNT(*) FROM outbox WHERE topic IN ('purse', 'member.merged')").Scan(&merges); err != nil || merges != 2 {
			t.Errorf("%d, %v: want one merge, told and joined once", merges, err)
		}
		out, err := w.Export(t.Context(), newer.ID)
		if err != nil || len(out.Bindings) != 5 || len(out.Identities) != 2 || out.Phone != phone(2).Digits() {
			t.Errorf("Export = %+v, %v, want both histories", out, err)
		}
		if _, err := json.Marshal(out); err != nil {
			t.Error(err)
		}
	})
}

func TestADomainThatCannotJoinStopsTheMerge(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		p := &purse{err: errors.New("the ledger is closed")}
		w := newWorld(t, db, dbtest.EmbeddedRedis(t), Options{}, p)
		a, b := w.touch(t, "oA"), w.touch(t, "oB")
		if _, err := w.Join(t.Context(), model.OfficialAccount, "oA", "u"); err != nil {
			t.Fatal(err)
		}
		_, err := w.Join(t.Context(), model.OfficialAccount, "oB", "u")
		want(t, "Join", err, p.err)
		if w.touch(t, "oA").ID != a.ID || w.touch(t, "oB").ID != b.ID {
			t.Error("they became one, or half of it")
		}
	})
}

func TestMergesAndBindingsAtOnce(t *testing.T) {
	engines(t, func(t *testing.T, w *world) {
		var wg sync.WaitGroup
		for i := range 24 {
			openID := model.OpenID(fmt.Sprintf("o%d", i%6))
			wg.Go(func() {
				_, err := w.Join(t.Context(), model.OfficialAccount, openID, model.UnionID(fmt.Sprintf("u%d", i%2)))
				if err != nil {
					t.Errorf("Join: %v", err)
				}
			})
			wg.Go(func() {
				who, err := w.Touch(t.Context(), model.OfficialAccount, openID)
				if err == nil {
					err = w.BindVerified(t.Context(), who.ID, phone(i%3), model.RequestID(fmt.Sprintf("b%d", i)))
				}
				if err != nil {
					t.Errorf("BindVerified: %v", err)
				}
			})
		}
		wg.Wait()
		// Openids 0, 2, 4 are of one person and 1, 3, 5 of another.
		for i := range 6 {
			if got, first := w.touch(t, fmt.Sprintf("o%d", i)), w.touch(t, fmt.Sprintf("o%d", i%2)); got.ID != first.ID || got.Phone != first.Phone {
				t.Errorf("o%d is %d with %v, want %d with %v", i, got.ID, got.Phone, first.ID, first.Phone)
			}
		}
	})
}

func TestFollowing(t *testing.T) {
	engines(t, func(t *testing.T, w *world) {
		at := w.nowMillis()
		for _, tt := range []struct {
			name    string
			do      func() error
			follows bool
			source  string
		}{
			{"follows", func() error { _, err := w.Follow(t.Context(), "oA", "qr-1", at); return err }, true, "qr-1"},
			{"the same event again", func() error { _, err := w.Follow(t.Context(), "oA", "qr-1", at); return err }, true, "qr-1"},
			{"leaves", func() error { return w.Unfollow(t.Context(), "oA", at+2000) }, false, "qr-1"},
			{"an older event that comes late", func() error { _, err := w.Follow(t.Context(), "oA", "qr-2", at+1000); return err }, false, "qr-1"},
			{"comes back by another way", func() error { _, err := w.Follow(t.Context(), "oA", "qr-3 \n长", at+3000); return err }, true, "qr-1"},
			{"a stranger leaves", func() error { return w.Unfollow(t.Context(), "oB", at) }, true, "qr-1"},
		} {
			want(t, tt.name, tt.do(), nil)
			if got := w.touch(t, "oA"); got.Follows != tt.follows || got.Source != tt.source {
				t.Errorf("%s: follows %v from %q, want %v from %q", tt.name, got.Follows, got.Source, tt.follows, tt.source)
			}
		}
		out, err := w.Export(t.Context(), w.touch(t, "oA").ID)
		if err != nil || len(out.Followed) != 4 || out.Followed[0].Source != "qr-3" {
			t.Errorf("history %+v, %v, want four events", out.Followed, err)
		}
		for _, bad := range []model.OpenID{"", "has space", "x'--", model.OpenID(strings.Repeat("o", 65))} {
			_, err := w.Follow(t.Context(), bad, "", at)
			want(t, string(bad), err, ErrOpenID)
		}
	})
}

func TestConsents(t *testing.T) {
	engines(t, func(t *testing.T, w *world) {
		id := w.touch(t, "oA").ID
		agrees := func(m *Members, p Purpose) bool {
			ok, err := m.Agrees(t.Context(), id, p)
			want(t, "Agrees", err, nil)
			return ok
		}
		if agrees(w.Members, Marketing) {
			t.Error("agrees before he said so")
		}
		if all, err := w.Consents(t.Context(), id); err != nil || len(all) != 2 || all[0].Version+all[1].Version != 0 {
			t.Errorf("Consents = %+v, %v, want two that he never answered", all, err)
		}
		want(t, "grant", w.Decide(t.Context(), id, []Decision{{Marketing, 1, true}, {ShowToFriends, 1, false}}, "c1"), nil)
		want(t, "withdraw", w.Decide(t.Context(), id, []Decision{{Marketing, 1, false}}, "c2"), nil)
		want(t, "the first request again", w.Decide(t.Context(), id, []Decision{{Marketing, 1, true}, {ShowToFriends, 1, false}}, "c1"), nil)
		if agrees(w.Members, Marketing) {
			t.Error("a repeat of an old request took the withdrawal back")
		}
		want(t, "grant again", w.Decide(t.Context(), id, []Decision{{Marketing, 1, true}}, "c3"), nil)
		if !agrees(w.Members, Marketing) {
			t.Error("does not agree after he said so")
		}
		if agrees(w.replica(t, Options{ConsentVersions: map[Purpose]int{Marketing: 2}}), Marketing) {
			t.Error("an answer to an older text covers the newer")
		}
		for _, bad := range [][]Decision{nil, {{"gossip", 1, true}}, {{Marketing, 0, true}}, {{Marketing, 2, true}}} {
			want(t, "a bad decision", w.Decide(t.Context(), id, bad, "c4"), ErrConsent)
		}
		want(t, "withdraw again", w.Decide(t.Context(), id, []Decision{{Marketing, 1, false}}, "c5"), nil)
		want(t, "yes and no at once", w.Decide(t.Context(), id, []Decision{{Marketing, 1, true}, {Marketing, 1, false}}, "c6"), ErrConsent)
		if agrees(w.Members, Marketing) {
			t.Error("who said yes and no at once agrees")
		}
		want(t, "grant at last", w.Decide(t.Context(), id, []Decision{{Marketing, 1, true}}, "c7"), nil)
		all, err := w.Consents(t.Context(), id)
		if err != nil || len(all) != 2 || !all[0].Agrees() || all[1].Version != 1 || all[1].Agrees() {
			t.Errorf("Consents = %+v, %v", all, err)
		}
	})
}

// personal are the columns that may name a person, all of them.
func personal(t *testing.T, db *sql.DB) string {
	t.Helper()
	var all strings.Builder
	for _, table := range []string{"member", "member_identity", "member_union", "member_phone", "member_binding", "member_code", "member_code_quota", "member_follow", "member_consent", "member_consent_change", "outbox"} {
		rows, err := db.Query("SELECT * FROM " + table)
		if err != nil {
			t.Fatal(err)
		}
		columns, err := rows.Columns()
		if err != nil {
			t.Fatal(err)
		}
		for rows.Next() {
			values := make([]sql.NullString, len(columns))
			into := make([]any, len(columns))
			for i := range values {
				into[i] = &values[i]
			}
			if err := rows.Scan(into...); err != nil {
				t.Fatal(err)
			}
			fmt.Fprintln(&all, table, values)
		}
		if err := rows.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return all.String()
}

func TestClosingShredsThePersonAndKeepsThePseudonym(t *testing.T) {
	engines(t, func(t *testing.T, w *world) {
		alice := w.touch(t, "oAlice")
		w.bind(t, alice.ID, phone(1), "r1")
		_, err := w.Follow(t.Context(), "oAlice", "qr-secret", w.nowMillis())
		want(t, "Follow", err, nil)
		_, err = w.Join(t.Context(), model.OfficialAccount, "oAlice", "uAlice")
		want(t, "Join", err, nil)
		if all := personal(t, w.db); strings.Contains(all, phone(1).Digits()) {
			t.Error("a number lies in the clear")
		}
		want(t, "Close", w.Close(t.Context(), alice.ID, "x1"), nil)
		want(t, "Close again", w.Close(t.Context(), alice.ID, "x2"), nil)
		want(t, "Close nobody", w.Close(t.Context(), 42, "x3"), ErrUnknown)
		all := personal(t, w.db)
		for _, trace := range []string{"oAlice", "uAlice", "qr-secret", phone(1).Digits()} {
			if strings.Contains(all, trace) {
				t.Errorf("%q is still kept", trace)
			}
		}
		var masked int
		if err := w.db.QueryRow("SELECT COUNT(*) FROM member_binding WHERE phone_masked <> ''").Scan(&masked); err != nil || masked != 0 {
			t.Errorf("%d, %v: the history still shows numbers", masked, err)
		}
		_, err = w.Get(t.Context(), alice.ID, model.OfficialAccount)
		want(t, "Get", err, ErrUnknown)
		want(t, "SendCode", w.SendCode(t.Context(), alice.ID, phone(2), "s"), ErrUnknown)
		again := w.touch(t, "oAlice")
		if again.ID == alice.ID || again.Bound() {
			t.Errorf("he who comes back is %+v, want a stranger", again)
		}
		if !reflect.DeepEqual(again, w.touch(t, "oAlice")) {
			t.Error("and not always the same one")
		}
	})
}

// TestACodeOnItsWayOutlivesAMerge lets somebody begin to bind before WeChat says who he
// is: the code of the SMS is good, though he is another by the time it comes.
func TestACodeOnItsWayOutlivesAMerge(t *testing.T) {
	engines(t, func(t *testing.T, w *world) {
		older, err := w.Join(t.Context(), model.MiniProgram, "oProgram", "uOne")
		want(t, "Join", err, nil)
		newer := w.touch(t, "oAccount")
		want(t, "a code of the older", w.SendCode(t.Context(), older.ID, phone(2), "s1"), nil)
		w.clock.forward(2 * time.Minute)
		want(t, "a code of the newer", w.SendCode(t.Context(), newer.ID, phone(1), "s2"), nil)
		if _, err := w.Join(t.Context(), model.OfficialAccount, "oAccount", "uOne"); err != nil {
			t.Fatal(err)
		}
		got, err := w.Confirm(t.Context(), newer.ID, w.sms.code(t, phone(1)), "r")
		if err != nil || got != phone(1) {
			t.Fatalf("Confirm = %v, %v, want the number bound", got, err)
		}
		if got := w.touch(t, "oAccount"); got.ID != older.ID || got.Phone != phone(1) {
			t.Errorf("he is %d with %v, want the older with the number", got.ID, got.Phone)
		}
	})
}
