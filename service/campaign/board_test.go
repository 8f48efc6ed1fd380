package campaign

import (
	"testing"
	"time"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
)

func TestACountThatTookLongIsToldForAWhile(t *testing.T) {
	for _, tt := range []struct {
		name         string
		takes, later time.Duration
		want         int64
	}{
		{"a quick one is made anew", slow / 10, time.Millisecond, 5000},
		{"of two seconds it is told for twenty", 2 * time.Second, 19 * time.Second, 10},
		{"and then made anew", 2 * time.Second, 21 * time.Second, 5000},
		{"of a minute it is told for five", time.Minute, 4 * time.Minute, 10},
		{"and no longer", time.Minute, 6 * time.Minute, 5000},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, dbtest.SQLite(t))
			c := w.replica()
			id := w.launch(c, plan())
			w.passes(25*time.Hour + time.Minute)
			w.round(c)
			b := NewBoard(c)
			w.counting = tt.takes
			w.becomes(Tally{State: model.DeliverySent, N: 10})
			first := must[Progress](t)(b.Progress(t.Context(), id))
			w.becomes(Tally{State: model.DeliverySent, N: 5000})
			w.passes(tt.later)
			again := must[Progress](t)(b.Progress(t.Context(), id))
			if got := again.Tally[0].N; got != tt.want || (again.CountedAt == first.CountedAt) != (tt.want == 10) {
				t.Errorf("%v later %d are told, counted at %d and before at %d, want %d", tt.later, got, again.CountedAt, first.CountedAt, tt.want)
			}
		})
	}
}
