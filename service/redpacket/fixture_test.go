package redpacket

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"database/sql"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
	"kaimenhong/model/sqldb"
)

// testClock stands still until a test moves it.
type testClock struct{ at atomic.Int64 }

func newClock() *testClock {
	c := &testClock{}
	c.at.Store(time.Date(2026, 2, 17, 10, 0, 0, 0, model.Shanghai).UnixMilli())
	return c
}

func (c *testClock) now() time.Time          { return time.UnixMilli(c.at.Load()) }
func (c *testClock) advance(d time.Duration) { c.at.Add(d.Milliseconds()) }

// aesSealer is AES-GCM under a key of the test's own.
type aesSealer struct{ aead cipher.AEAD }

func newSealer(t testing.TB) aesSealer {
	t.Helper()
	block, err := aes.NewCipher([]byte("0123456789abcdef0123456789abcdef"))
	if err != nil {
		t.Fatal(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	return aesSealer{aead}
}

func (s aesSealer) Seal(plain, context []byte) []byte {
	nonce := make([]byte, s.aead.NonceSize())
	_, _ = rand.Read(nonce)
	return s.aead.Seal(nonce, nonce, plain, context)
}

func (s aesSealer) Open(sealed, context []byte) ([]byte, error) {
	if len(sealed) < s.aead.NonceSize() {
		return nil, fmt.Errorf("too short")
	}
	return s.aead.Open(nil, sealed[:s.aead.NonceSize()], sealed[s.aead.NonceSize():], context)
}

// testPayouts books prizes where the payout domain does.
type testPayouts struct{}

func (testPayouts) CreateTx(ctx context.Context, tx *sql.Tx, prizes []model.Prize) error {
	query := `INSERT INTO payout (pot_id, game_id, member_id, kind, value, quantity, state, held_why, created_at, updated_at) VALUES `
	var rows []string
	for _, p := range prizes {
		rows = append(rows, fmt.Sprintf("(%d,%d,%d,'%s',%d,%d,'created','',%d,%d)",
			p.Pot, p.Game, p.Member, p.Kind, p.Value, p.Quantity, p.At, p.At))
	}
	_, err := tx.ExecContext(ctx, query+strings.Join(rows, ","))
	return err
}

// house is where a test plays: the stores, the clock and the engines upon them.
type house struct {
	db    *sql.DB
	redis redis.UniversalClient
	clock *testClock
}

// engine starts a replica.
func (h *house) engine(t testing.TB, opts Options) *Engine {
	t.Helper()
	node, err := sqldb.Node(t.Context(), h.db)
	if err != nil {
		t.Fatal(err)
	}
	ids, err := model.NewIDs(node, h.clock.now)
	if err != nil {
		t.Fatal(err)
	}
	opts.Timeout = max(opts.Timeout, 20*time.Second) // slow machines are not what these tests are about
	e := New(Stores{SQL: h.db, Redis: h.redis, Sealer: newSealer(t), Payouts: testPayouts{}}, ids, h.clock.now, slog.New(slog.DiscardHandler), prometheus.NewRegistry(), opts)
	t.Cleanup(e.Close)
	return e
}

// houses runs the test on every SQL engine with both Redises.
func houses(t *testing.T, run func(t *testing.T, h *house)) {
	t.Helper()
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		dbtest.Redises(t, func(t *testing.T, client redis.UniversalClient) {
			run(t, &house{db, client, newClock()})
			if _, err := db.ExecContext(context.Background(), "DELETE FROM pot_help"); err != nil {
				t.Fatal(err)
			}
			for _, table := range []string{"pot", "payout", "redpacket_slice", "redpacket_game", "redpacket_join"} {
				if _, err := db.ExecContext(context.Background(), "DELETE FROM "+table); err != nil {
					t.Fatal(err)
				}
			}
		})
	})
}

// someRules are a game's that a test then changes.
func someRules(clock *testClock) Rules {
	now := model.At(clock.now())
	return Rules{
		Name: "开门红测试", Title: "新春红包", Complaint: "拨打 10086", StartsAt: now.Add(-time.Hour), EndsAt: now.Add(30 * 24 * time.Hour),
		Amounts: []Amount{{Target: 1000, Weight: 1}}, Helps: 5, Split: DoubleMean, PotHours: 24, PotsEach: 3, HelpsPerDay: 3,
		Prize: PrizeRule{Kind: model.PhoneCreditPrize}, Unfilled: Nothing, Budget: 1_000_000, Surface: MiniProgram,
	}
}

func visitor(id int) Visitor { return Visitor{Member: model.Member{ID: model.MemberID(id)}} }

func (h *house) game(t testing.TB, e *Engine, change func(*Rules)) Game {
	t.Helper()
	rules := someRules(h.clock)
	if change != nil {
		change(&rules)
	}
	game, err := e.CreateGame(t.Context(), rules)
	if err != nil {
		t.Fatalf("CreateGame = %v", err)
	}
	return game
}

func open(t testing.TB, e *Engine, game Game, owner int) Opened {
	t.Helper()
	pot, err := e.Open(t.Context(), OpenRequest{game.ID, visitor(owner), model.RequestID(fmt.Sprintf("open-%d-%d", owner, e.ids.Next()))})
	if err != nil {
		t.Fatalf("Open = %v", err)
	}
	return pot
}

func helpAs(t testing.TB, e *Engine, pot PotID, helper int, request string) (Help, error) {
	t.Helper()
	return e.Help(t.Context(), HelpRequest{Pot: pot, Who: visitor(helper), Request: model.RequestID(request), Shown: true})
}

// settle fills what is full, as the loop would a moment later.
func settle(t testing.TB, e *Engine) {
	t.Helper()
	if _, err := e.FillDue(t.Context()); err != nil {
		t.Fatalf("FillDue = %v", err)
	}
}

// sound fails the test when an invariant does not hold, the prizes among them.
func sound(t testing.TB, e *Engine) {
	t.Helper()
	found, err := e.Check(t.Context())
	if err != nil {
		t.Fatalf("Check = %v", err)
	}
	for _, v := range found {
		t.Errorf("violation: %+v", v)
	}
	var wrong int
	err = e.db.QueryRowContext(t.Context(), `SELECT COUNT(*) FROM pot p LEFT JOIN payout o ON o.pot_id = p.id
		WHERE (p.won > 0) <> (o.pot_id IS NOT NULL) OR p.won <> COALESCE(o.value, 0)`).Scan(&wrong)
	if err != nil || wrong != 0 {
		t.Errorf("pots whose prize is not their payout = %d, %v, want 0", wrong, err)
	}
}

// noRedis never answers.
type noRedis struct{}

func (noRedis) run(context.Context, *script, string, ...any) (any, error) { return nil, errAway }
