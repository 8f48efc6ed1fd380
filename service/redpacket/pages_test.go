package redpacket

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/redpacket/internal/db"
)

// crowd puts open pots into the book that all end at one instant.
func (h *house) crowd(t *testing.T, n int, ends model.Millis) {
	t.Helper()
	for first := 1; first <= n; first += 1000 {
		var rows []string
		for id := first; id < first+1000 && id <= n; id++ {
			rows = append(rows, fmt.Sprintf("(%d,1,%d,0,'r',5,1000,'',0,'','','open',%d,%d,0,0,0,0)", id, id, ends, ends.Add(-24*time.Hour)))
		}
		if _, err := h.db.ExecContext(t.Context(), `INSERT INTO pot (id, game_id, owner_id, nth, request_id, n, target, split, slice, seed_sealed,
			commitment, state, ends_at, created_at, done_at, helps, won, took) VALUES `+strings.Join(rows, ",")); err != nil {
			t.Fatal(err)
		}
	}
}

// A game's end is that of all its pots: no page may read again those before it.
func TestPotsThatEndAtOnceAreReadOnceByThePages(t *testing.T) {
	const pots, page = 6000, 500
	for _, tt := range []struct {
		name string
		next func(ctx context.Context, e *Engine, after PotLine) ([]PotLine, error)
	}{
		{"those that end soon", func(ctx context.Context, e *Engine, after PotLine) ([]PotLine, error) {
			return e.EndingSoon(ctx, 30*time.Minute, after, page)
		}},
		{"those that are over", func(ctx context.Context, e *Engine, after PotLine) (lines []PotLine, err error) {
			rows, err := e.q.DuePots(ctx, db.DuePotsParams{
				Now: int64(model.At(e.now().Add(2 * time.Hour))), AfterAt: int64(after.EndsAt), AfterID: int64(after.Pot), Limit: page,
			})
			for _, r := range rows {
				lines = append(lines, PotLine{Pot: PotID(r.ID), EndsAt: model.Millis(r.EndsAt)})
			}
			return lines, err
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			houses(t, func(t *testing.T, h *house) {
				e := h.engine(t, Options{})
				h.crowd(t, pots, model.At(h.clock.now().Add(2*time.Hour-time.Minute)))
				seen, reads := 0, 0
				pages := func() {
					for after := (PotLine{}); ; {
						list, err := tt.next(t.Context(), e, after)
						if err != nil {
							t.Fatal(err)
						}
						if seen += len(list); len(list) < page {
							return
						}
						after = list[len(list)-1]
					}
				}
				if sqldb.Embedded(h.db) {
					pages() // it counts nothing
				} else {
					reads = dbtest.Reads(t, h.db, pages)
				}
				if seen != pots || reads > 5*pots {
					t.Errorf("%d of %d pots were found by reading %d rows, want each once", seen, pots, reads)
				}
			})
		})
	}
}
