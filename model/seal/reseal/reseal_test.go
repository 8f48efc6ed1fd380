package reseal_test

import (
	"bytes"
	"database/sql"
	"fmt"
	"testing"

	"kaimenhong/model/dbtest"
	"kaimenhong/model/seal"
	"kaimenhong/model/seal/reseal"
)

func keys(t *testing.T, versions ...int) *seal.Sealer {
	t.Helper()
	all := map[int][]byte{}
	for _, v := range versions {
		all[v] = bytes.Repeat([]byte{byte(v)}, seal.KeySize)
	}
	s, err := seal.New(all, bytes.Repeat([]byte{1}, seal.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// answers is a column whose table has a key of two texts.
var answers = reseal.Column{
	Table: "idempotency", Name: "answer", Key: []string{"scope", "request_id"},
	Context: func(r reseal.Row) []byte { return []byte(r[0] + " " + r[1]) },
}

func put(t *testing.T, db *sql.DB, scope, request, answer string) {
	t.Helper()
	_, err := db.ExecContext(t.Context(), "INSERT INTO idempotency (scope, request_id, member_id, body_hash, token, leased_until, status, answer, created_at) VALUES (?, ?, 1, '', '', 0, 200, ?, 0)", scope, request, answer)
	if err != nil {
		t.Fatal(err)
	}
}

func TestEveryValueMovesThatOpens(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		one, both, two := keys(t, 1), keys(t, 1, 2), keys(t, 2)
		const scopes, each = 3, 150 // pages end within a scope
		for i := range scopes {
			for k := range each {
				scope, request := fmt.Sprintf("scope %d", i), fmt.Sprintf("r%03d", k)
				put(t, db, scope, request, one.SealText([]byte(request), []byte(scope+" "+request)))
			}
		}
		put(t, db, "scope 1", "moved", both.SealText([]byte("moved"), []byte("scope 1 moved")))
		put(t, db, "scope 1", "empty", "")
		put(t, db, "scope 0", "a broken one", "xxxx")
		put(t, db, "scope 1", "of another row", one.SealText([]byte("r"), []byte("scope 1 r")))
		put(t, db, "scope 2", "of another key", keys(t, 9).SealText([]byte("r"), []byte("scope 2 of another key")))
		for _, moved := range []int{scopes * each, 0} {
			got, err := reseal.Move(t.Context(), db, both, answers)
			if want := (reseal.Count{Values: scopes*each + 4, Moved: moved, Shut: 3}); got != want || err != nil {
				t.Fatalf("Move = %+v, %v, want %+v", got, err, want)
			}
		}
		for i := range scopes {
			for k := range each {
				scope, request, sealed := fmt.Sprintf("scope %d", i), fmt.Sprintf("r%03d", k), ""
				if err := db.QueryRowContext(t.Context(), "SELECT answer FROM idempotency WHERE scope = ? AND request_id = ?", scope, request).Scan(&sealed); err != nil {
					t.Fatal(err)
				}
				if plain, err := two.OpenText(sealed, []byte(scope+" "+request)); err != nil || string(plain) != request {
					t.Fatalf("%s %s opens as %q, %v without the old key", scope, request, plain, err)
				}
			}
		}
	})
}

// Who writes while the walk is under way is not written over.
func TestAValueThatIsWrittenMeanwhileStays(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		one, both := keys(t, 1), keys(t, 1, 2)
		put(t, db, "s", "r", one.SealText([]byte("old"), []byte("s r")))
		during := answers
		asked := 0
		during.Context = func(r reseal.Row) []byte {
			if asked++; asked == 2 { // it is open, and about to be sealed
				if _, err := db.ExecContext(t.Context(), "UPDATE idempotency SET answer = ? WHERE scope = 's'", both.SealText([]byte("new"), []byte("s r"))); err != nil {
					t.Error(err)
				}
			}
			return answers.Context(r)
		}
		if got, err := reseal.Move(t.Context(), db, both, during); got.Moved != 0 || err != nil {
			t.Fatalf("Move = %+v, %v, want none moved", got, err)
		}
		var sealed string
		if err := db.QueryRowContext(t.Context(), "SELECT answer FROM idempotency WHERE scope = 's'").Scan(&sealed); err != nil {
			t.Fatal(err)
		}
		if plain, err := both.OpenText(sealed, []byte("s r")); err != nil || string(plain) != "new" {
			t.Errorf("it is %q, %v, want what was written meanwhile", plain, err)
		}
	})
}
