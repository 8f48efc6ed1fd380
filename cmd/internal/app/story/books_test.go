package story_test

import (
	"bytes"
	"testing"
	"time"

	"kaimenhong/cmd/internal/app/story"
)

// TestTheNightFindsWhatTheCarrierKnowsOtherwise lets the carrier's book lose a prize
// that was handed over, and get it back.
func TestTheNightFindsWhatTheCarrierKnowsOtherwise(t *testing.T) {
	story.Everywhere(t, func(t *testing.T, s story.Stores) {
		w := story.Begin(t, s)
		w.Logs.Forgives("payout books disagree")
		until9(w) // or the night would look, too
		r := w.Replica()
		var without, with bytes.Buffer
		if err := w.Sandbox.Carrier.Save(&without); err != nil {
			t.Fatal(err)
		}
		owner, _, pot := fills(t, w, r, nil)
		owner.Wins(pot, "paid")
		if err := w.Sandbox.Carrier.Save(&with); err != nil {
			t.Fatal(err)
		}
		if err := w.Sandbox.Carrier.Load(&without); err != nil {
			t.Fatal(err)
		}
		w.Passes(2 * time.Hour) // an end is compared when nothing of it can change any more
		if err := r.App().Reconcile(t.Context()); err == nil {
			t.Error("Reconcile = nil, want the prize that the carrier does not know")
		}
		lines := w.Logs.Lines("payout books disagree")
		if len(lines) != 1 || lines[0]["rule"] != "paid.not_delivered" || lines[0]["pot"] != pot {
			t.Errorf("the log names %v, want paid.not_delivered of pot %s alone", lines, pot)
		}
		if err := w.Sandbox.Carrier.Load(&with); err != nil {
			t.Fatal(err)
		}
		proven(t, r)
	})
}
