package storm

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"kaimenhong/model"
	"kaimenhong/model/fault"
	"kaimenhong/model/redisdb"
	"kaimenhong/model/seal"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/redpacket"
)

// replicaEnv holds a replica's settings; a test binary that finds it is one.
const replicaEnv = "KMH_STORM_REPLICA"

// settings are what a replica is started with.
type settings struct {
	Socket string        // where it listens
	MySQL  string        // the proxy's socket
	Redis  string        // the server's socket
	Shift  time.Duration // of its clock
}

// order is what a client asks of a replica.
type order struct {
	Game    redpacket.GameID `json:"game,omitzero"`
	Pot     redpacket.PotID  `json:"pot,omitzero"`
	Member  model.MemberID   `json:"member,omitzero"`
	Request model.RequestID  `json:"request,omitzero"`
	Shift   time.Duration    `json:"shift"`
}

// reply is a replica's answer. Code is ok or a fault's code; the days are those of
// its clock before and after.
type reply struct {
	Code       string          `json:"code"`
	Pot        redpacket.PotID `json:"pot,omitzero"`
	K          int             `json:"k"`
	Share      model.Fen       `json:"share"`
	Commitment string          `json:"commitment"`
	Helped     int             `json:"helped"`
	From       model.Day       `json:"from"`
	To         model.Day       `json:"to"`
}

// replica is one process of the game.
type replica struct {
	engine *redpacket.Engine
	shift  atomic.Int64
}

func (r *replica) now() time.Time { return time.Now().Add(time.Duration(r.shift.Load())) }

// runReplica plays until its standard input ends, which is when the test dies.
func runReplica(text string) error {
	var s settings
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		return err
	}
	r := &replica{}
	r.shift.Store(int64(s.Shift))
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	stores, ids, err := openStores(ctx, "root@unix("+s.MySQL+")/storm", s.Redis, r.now)
	if err != nil {
		return err
	}
	r.engine = redpacket.New(stores, ids, r.now, slog.New(slog.DiscardHandler), nil, redpacket.Options{})
	_ = os.Remove(s.Socket) // a replica that was killed left it
	listener, err := net.Listen("unix", s.Socket)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/open", r.answer(r.open))
	mux.HandleFunc("/help", r.answer(r.help))
	mux.HandleFunc("/view", r.answer(r.view))
	mux.HandleFunc("/close", r.answer(r.close))
	mux.HandleFunc("/clock", r.answer(func(_ context.Context, in order) (reply, error) {
		r.shift.Store(int64(in.Shift))
		return reply{}, nil
	}))
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = server.Serve(listener) }()
	r.work(ctx)
	return nil
}

// openStores waits for both stores: a replica may start while one of them is down.
func openStores(ctx context.Context, dsn, redisAddr string, now model.Clock) (redpacket.Stores, *model.IDs, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for {
		stores, ids, err := tryStores(ctx, dsn, redisAddr, now)
		if err == nil {
			return stores, ids, nil
		}
		select {
		case <-ctx.Done():
			return stores, nil, err
		case <-ticker.C:
		}
	}
}

func tryStores(ctx context.Context, dsn, redisAddr string, now model.Clock) (redpacket.Stores, *model.IDs, error) {
	db, err := sqldb.Open(ctx, dsn, sqldb.Options{MaxOpen: 32})
	if err != nil {
		return redpacket.Stores{}, nil, err
	}
	node, err := sqldb.Node(ctx, db)
	if err != nil {
		_ = db.Close()
		return redpacket.Stores{}, nil, err
	}
	client, err := redisdb.Open(ctx, redisdb.Options{Addrs: []string{redisAddr}})
	if err != nil {
		_ = db.Close()
		return redpacket.Stores{}, nil, err
	}
	ids, err := model.NewIDs(node, now)
	if err != nil {
		return redpacket.Stores{}, nil, err
	}
	sealer, err := seal.New(map[int][]byte{1: make([]byte, seal.KeySize)}, nil)
	return redpacket.Stores{SQL: db, Redis: client, Sealer: sealer, Payouts: payouts{}}, ids, err
}

// work is what the jobs do: close, fill and sweep, more often than they would.
func (r *replica) work(ctx context.Context) {
	ticker := time.NewTicker(300 * time.Millisecond)
	defer ticker.Stop()
	for round := 0; ; round++ {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		// What a fault stops is done in the next round.
		_, _ = r.engine.CloseDue(ctx, 1000)
		_, _ = r.engine.FillDue(ctx)
		if round%20 == 19 {
			_, _ = r.engine.Sweep(ctx)
		}
	}
}

func (r *replica) answer(do func(context.Context, order) (reply, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, req *http.Request) {
		var in order
		if err := json.NewDecoder(io.LimitReader(bufio.NewReader(req.Body), 4096)).Decode(&in); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		from := model.DayOf(r.now())
		out, err := do(req.Context(), in)
		out.Code, out.From, out.To = "ok", from, model.DayOf(r.now())
		if err != nil {
			out.Code = fault.Of(err).Code
		}
		_ = json.NewEncoder(w).Encode(out)
	}
}

func visitor(id model.MemberID) redpacket.Visitor {
	return redpacket.Visitor{Member: model.Member{ID: id}}
}

func (r *replica) open(ctx context.Context, in order) (reply, error) {
	opened, err := r.engine.Open(ctx, redpacket.OpenRequest{Game: in.Game, Who: visitor(in.Member), Request: in.Request})
	return reply{Pot: opened.Pot, Commitment: opened.Commitment}, err
}

func (r *replica) help(ctx context.Context, in order) (reply, error) {
	help, err := r.engine.Help(ctx, redpacket.HelpRequest{Pot: in.Pot, Who: visitor(in.Member), Request: in.Request})
	return reply{Pot: help.Pot, K: help.K, Share: help.Share}, err
}

func (r *replica) view(ctx context.Context, in order) (reply, error) {
	view, err := r.engine.View(ctx, in.Pot, visitor(in.Member))
	return reply{Pot: in.Pot, Helped: view.Helped, Commitment: view.Commitment}, err
}

func (r *replica) close(ctx context.Context, _ order) (reply, error) {
	if _, err := r.engine.CloseDue(ctx, 100_000); err != nil {
		return reply{}, err
	}
	_, err := r.engine.FillDue(ctx)
	return reply{}, err
}

// payouts books prizes where the payout domain does.
type payouts struct{}

func (payouts) CreateTx(ctx context.Context, tx *sql.Tx, prizes []model.Prize) error {
	var rows []string
	for _, p := range prizes {
		rows = append(rows, fmt.Sprintf("(%d,%d,%d,'%s',%d,%d,'created','',%d,%d)",
			p.Pot, p.Game, p.Member, p.Kind, p.Value, p.Quantity, p.At, p.At))
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO payout
		(pot_id, game_id, member_id, kind, value, quantity, state, held_why, created_at, updated_at) VALUES `+strings.Join(rows, ","))
	return err
}
