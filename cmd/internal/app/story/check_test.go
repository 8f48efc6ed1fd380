package story_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"kaimenhong/cmd/internal/app/story"
	"kaimenhong/model/sqldb"
)

func TestCheckGameProvesTheGameAndNamesWhatIsBroken(t *testing.T) {
	s := story.Embedded(t)
	w := story.Begin(t, s)
	owner, _, pot := fills(t, w, w.Replica(), nil)
	owner.Wins(pot, "paid")
	binary := story.Binary(t)
	check := func() (string, int) {
		program := exec.CommandContext(t.Context(), binary, "check", "--game")
		program.Env = append(w.Environment(), "PATH="+os.Getenv("PATH"))
		out, err := program.CombinedOutput()
		if program.ProcessState == nil {
			t.Fatal(err)
		}
		return string(out), program.ProcessState.ExitCode()
	}
	if said, code := check(); code != 0 || !strings.Contains(said, "all is well") {
		t.Errorf("check --game says %q, ends with %d, want that all is well", said, code)
	}
	db, err := sqldb.Open(t.Context(), s.DSN, sqldb.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	for _, tt := range []struct{ plant, undo, says string }{
		{"UPDATE pot_help SET share = share - 1", "UPDATE pot_help SET share = share + 1", "game: filled.sum " + pot},
		{"UPDATE redpacket_slice SET spent = spent + 1", "UPDATE redpacket_slice SET spent = spent - 1", "game: budget.spent "},
		{"UPDATE payout SET value = value + 1", "UPDATE payout SET value = value - 1", "game: booked.otherwise " + pot},
		{"UPDATE payout_attempt SET state = 'failed', active = NULL", "UPDATE payout_attempt SET state = 'succeeded', active = 1", "game: paid.without_success " + pot},
	} {
		if _, err := db.ExecContext(t.Context(), tt.plant); err != nil {
			t.Fatal(err)
		}
		if said, code := check(); code != 1 || !strings.Contains(said, tt.says) {
			t.Errorf("after %s it says %q, ends with %d, want %q and 1", tt.plant, said, code, tt.says)
		}
		if _, err := db.ExecContext(t.Context(), tt.undo); err != nil {
			t.Fatal(err)
		}
	}
}
