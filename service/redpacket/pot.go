package redpacket

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/maypok86/otter/v2"

	"kaimenhong/model"
	"kaimenhong/service/redpacket/internal/db"
)

// State is where a pot is in its life.
type State string

// The states; the last two are final.
const (
	Open   State = "open"
	Filled State = "filled" // n helps: its owner has won the target
	Closed State = "closed" // ended with free slots, which void rows hold now
)

// facts are what never changes about a pot, kept in memory.
type facts struct {
	id         PotID
	game       GameID
	owner      model.MemberID
	target     model.Fen
	split      Split
	slice      int
	seed       []byte
	shares     []model.Fen // share k at k-1
	commitment string
	opened     model.Millis
	ends       model.Millis

	// complete says, once SQL has said so, that all n slots have rows, and how: it
	// is true for ever unless SQL itself loses commits.
	complete atomic.Pointer[State]
	touched  atomic.Int64 // when a help last asked, in ms
	// fresh says that this process has opened the pot and never merged it: the rows
	// of that instant, none, are a read that may be merged like any other.
	fresh atomic.Bool
	told  atomic.Int64 // Engine.losses when Redis last knew the pot; 0: nobody asked yet
}

func (f *facts) n() int { return len(f.shares) }

// share is the amount of slot k, which must be within the pot.
func (f *facts) share(k int) model.Fen { return f.shares[k-1] }

func (f *facts) has(k int) bool { return k >= 1 && k <= f.n() }

// pot returns a pot's facts, from memory where they are there.
func (e *Engine) pot(ctx context.Context, id PotID) (*facts, error) {
	return e.pots.Get(ctx, id, otter.LoaderFunc[PotID, *facts](e.loadPot))
}

func (e *Engine) loadPot(ctx context.Context, id PotID) (*facts, error) {
	// Others may wait for this load; the caller's haste is not theirs.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), e.opts.Timeout)
	defer cancel()
	row, found, err := loaded(ctx, e.loads.pots, id)
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, ErrUnknownPot
	}
	return e.factsOf(row)
}

func (e *Engine) factsOf(row db.Pot) (*facts, error) {
	seed, err := e.openSeed(PotID(row.ID), row.SeedSealed)
	if err != nil {
		return nil, err
	}
	f := &facts{
		id: PotID(row.ID), game: GameID(row.GameID), owner: model.MemberID(row.OwnerID),
		target: model.Fen(row.Target), split: Split(row.Split), slice: int(row.Slice), seed: seed,
		commitment: row.Commitment, opened: model.Millis(row.CreatedAt), ends: model.Millis(row.EndsAt),
	}
	if splitByte[f.split] == 0 || row.N < 1 || int64(row.N) > row.Target {
		return nil, fmt.Errorf("pot %s holds an impossible split", f.id)
	}
	f.shares = sharesOf(seed, int(row.N), f.target, f.split)
	return f, nil
}

// sealContext binds a sealed seed to its pot.
func sealContext(id PotID) []byte { return []byte("redpacket/pot/" + id.String()) }

// newSeed draws a pot's secret and seals it.
func (e *Engine) newSeed(id PotID) (seed []byte, sealed string) {
	seed = make([]byte, seedSize)
	_, _ = rand.Read(seed) // never fails: the program ends when the system has no randomness
	return seed, base64.RawStdEncoding.EncodeToString(e.sealer.Seal(seed, sealContext(id)))
}

func (e *Engine) openSeed(id PotID, sealed string) ([]byte, error) {
	cipher, err := base64.RawStdEncoding.DecodeString(sealed)
	if err != nil {
		return nil, fmt.Errorf("the seed of pot %s is damaged", id)
	}
	seed, err := e.sealer.Open(cipher, sealContext(id))
	if err != nil {
		return nil, fmt.Errorf("open the seed of pot %s: %w", id, err)
	}
	if len(seed) != seedSize {
		return nil, fmt.Errorf("the seed of pot %s has %d bytes", id, len(seed))
	}
	return seed, nil
}

// Proof returns what is to be known about a pot's fairness now: the commitment and
// the sorted amounts from the start, the seed and the shares once it has ended.
func (e *Engine) Proof(ctx context.Context, id PotID) (Proof, error) {
	f, err := e.pot(ctx, id)
	if err != nil {
		return Proof{}, orUnavailable(err)
	}
	state, err := e.q.PotState(ctx, int64(id))
	if err != nil {
		return Proof{}, fmt.Errorf("read the state of pot %s: %w", id, err)
	}
	p := Proof{
		Version: proofVersion, Pot: id, Helps: f.n(), Target: f.target, Split: f.split,
		Commitment: f.commitment, Amounts: sorted(f.shares),
	}
	if State(state) != Open {
		p.Seed, p.Shares = hex.EncodeToString(f.seed), slices.Clone(f.shares)
	}
	return p, nil
}

func sorted(shares []model.Fen) []model.Fen {
	s := slices.Clone(shares)
	slices.Sort(s)
	return s
}

func equal(a, b []model.Fen) bool { return slices.Equal(a, b) }

// flights lets one caller do what many want done for the same pot; the others wait
// for its outcome. Joining an older one is safe, for standing rows never change.
type flights struct {
	mu  sync.Mutex
	now map[PotID]*flight
}

type flight struct {
	done chan struct{}
	err  error
}

func (s *flights) do(ctx context.Context, id PotID, work func(context.Context) error) error {
	s.mu.Lock()
	if f := s.now[id]; f != nil {
		s.mu.Unlock()
		select {
		case <-f.done:
			return f.err
		case <-ctx.Done():
			return ErrBusy.With(ctx.Err())
		}
	}
	f := &flight{done: make(chan struct{})}
	if s.now == nil {
		s.now = make(map[PotID]*flight)
	}
	s.now[id] = f
	s.mu.Unlock()
	f.err = work(context.WithoutCancel(ctx))
	s.mu.Lock()
	delete(s.now, id)
	s.mu.Unlock()
	close(f.done)
	return f.err
}
