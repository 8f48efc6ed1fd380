package redpacket

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
	"kaimenhong/model/sqldb"
)

// The benchmarks compare, on a real Redis and a real MariaDB, a help that is
// durable with the two scripts alone and with the plain row lock:
//
//	go test ./service/redpacket -run '^$' -bench Help -benchtime 3s
const benchConnections = 64

type helpFunc func(context.Context, HelpRequest) (Help, error)

// benchHouse is an engine on a database with room for every connection.
func benchHouse(b *testing.B) (*house, *Engine) {
	b.Helper()
	db, err := sqldb.Open(b.Context(), dbtest.MySQLDSN(b), sqldb.Options{MaxOpen: 128})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = db.Close() })
	h := &house{db, dbtest.Redis(b), newClock()}
	return h, h.engine(b, Options{Timeout: time.Minute})
}

// seats hands out every slot of a row of pots, evenly, each with a helper of its
// own; it opens more pots when all are taken.
type seats struct {
	e    *Engine
	game Game
	next atomic.Int64
	mu   sync.RWMutex
	pots []PotID
}

func newSeats(b *testing.B, h *house, e *Engine, pots, helps int) *seats {
	b.Helper()
	game := h.game(b, e, func(r *Rules) {
		r.Helps, r.HelpsPerDay, r.PotsEach, r.Budget = helps, 10, 1000, MaxBudget
		r.Amounts = []Amount{{Target: model.Fen(100 * helps), Weight: 1}}
	})
	s := &seats{e: e, game: game}
	s.grow(b, pots)
	return s
}

func (s *seats) grow(b testing.TB, pots int) {
	var wait sync.WaitGroup
	ids := make([]PotID, pots)
	for part := range benchConnections {
		wait.Go(func() {
			for i := part; i < pots; i += benchConnections {
				pot, err := s.e.Open(context.Background(), OpenRequest{s.game.ID, visitor(1_000_000 + i), model.RequestID(fmt.Sprint("o", s.e.ids.Next()))})
				if err != nil {
					b.Error(err)
					return
				}
				ids[i] = pot.Pot
			}
		})
	}
	wait.Wait()
	s.mu.Lock()
	s.pots = append(s.pots, ids...)
	s.mu.Unlock()
}

// take returns the next free seat; width is how many pots are filled side by side.
func (s *seats) take(width int) HelpRequest {
	i := int(s.next.Add(1) - 1)
	helps := s.game.Rules.Helps
	block, in := i/(width*helps), i%(width*helps)
	s.mu.RLock()
	pot := s.pots[(block*width+in%width)%len(s.pots)]
	s.mu.RUnlock()
	return HelpRequest{Pot: pot, Who: visitor(10_000_000 + i), Request: model.RequestID(fmt.Sprint("h", i))}
}

func BenchmarkHelp(b *testing.B) {
	for _, shape := range []struct {
		name               string
		pots, helps, width int
	}{{"many", 20_000, 10, 1000}, {"hot", 60, 5000, 1}} {
		for _, peer := range []string{"scripts", "durable", "rowlock"} {
			b.Run(shape.name+"/"+peer, func(b *testing.B) {
				h, e := benchHouse(b)
				var help helpFunc
				switch peer {
				case "scripts":
					help = NewScriptsOnly(e).Help
				case "durable":
					help = e.Help
				default:
					help = NewRowLock(e).Help
				}
				s := newSeats(b, h, e, shape.pots, shape.helps)
				b.SetParallelism(benchConnections / 2)
				b.ReportAllocs()
				b.ResetTimer()
				b.RunParallel(func(p *testing.PB) {
					for p.Next() {
						if _, err := help(context.Background(), s.take(shape.width)); err != nil {
							b.Error(err)
							return
						}
					}
				})
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "helps/s")
			})
		}
	}
}

func BenchmarkOpen(b *testing.B) {
	h, e := benchHouse(b)
	s := newSeats(b, h, e, 1, 10)
	b.SetParallelism(benchConnections / 2)
	b.ResetTimer()
	var owner atomic.Int64
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			n := int(owner.Add(1))
			if _, err := e.Open(context.Background(), OpenRequest{s.game.ID, visitor(n), "open"}); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "openings/s")
}

func BenchmarkCloseDue(b *testing.B) {
	h, e := benchHouse(b)
	s := newSeats(b, h, e, b.N, 10)
	for _, pot := range s.pots {
		e.pots.Invalidate(pot)
	}
	h.clock.advance(25 * time.Hour)
	b.ResetTimer()
	if n, err := e.CloseDue(b.Context(), b.N); err != nil || n != b.N {
		b.Fatalf("CloseDue = %d, %v, want %d", n, err, b.N)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "pots/s")
}
