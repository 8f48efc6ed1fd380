package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"

	"kaimenhong/handler"
	"kaimenhong/model"
	"kaimenhong/model/redisdb"
	"kaimenhong/model/seal"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/account"
	"kaimenhong/service/home"
	"kaimenhong/service/idempotency"
	"kaimenhong/service/member"
	"kaimenhong/service/notice"
	"kaimenhong/service/points"
	"kaimenhong/service/session"
)

const (
	meGoal    = 0.7
	meMembers = 1024 // each of the 64 connections asks for 16 of them, one after another

	// meTurn is the least that a side asks before the other does: as long as a member is
	// remembered. In shorter turns every one of them is read anew in each.
	meTurn = 2 * time.Second
)

// measureMe measures GET /me, whole: token, member, the carrier's parts from memory, the
// points fresh from MariaDB, beside a Gin handler that reads one row by primary key and
// answers as many bytes. Both meet the same clients, who ask for 1,024 members, in
// turns: ours, the peer's, the peer's, ours.
func measureMe(e env) ([]Figure, error) {
	ctx, end := context.WithCancel(context.Background())
	defer end()
	h, err := newHouse(ctx)
	if err != nil {
		return nil, err
	}
	defer h.close()
	ours, tokens, err := meServer(ctx, h)
	if err != nil {
		return nil, err
	}
	requests := make([][]byte, len(tokens))
	for i, token := range tokens {
		requests[i] = []byte("GET /api/v1/me HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer " + token + "\r\n\r\n")
	}
	address, stop, err := listen(ours)
	if err != nil {
		return nil, err
	}
	defer stop()
	answer, err := screenOf(address, tokens[0])
	if err != nil {
		return nil, err
	}
	for _, part := range []string{`"balance":{"status":"ok"`, `"plan":{"status":"ok"`, `"points":{"status":"ok"`, `"available":100`} {
		if !strings.Contains(answer, part) {
			return nil, fmt.Errorf("the screen is %s, which has no %s", answer, part)
		}
	}
	peer, err := rowServer(ctx, h, len(answer))
	if err != nil {
		return nil, err
	}
	other, stopPeer, err := listen(peer)
	if err != nil {
		return nil, err
	}
	defer stopPeer()
	var warm, me, row side
	long := max(e.duration/redeemRounds, meTurn)
	for _, at := range []string{address, other} {
		if err := warm.asks(h, at, requests, len(answer), long); err != nil {
			return nil, err
		}
	}
	if err := settled(ctx, h); err != nil {
		return nil, err
	}
	var turns []turn
	for range redeemRounds / 2 {
		turns = append(turns, turn{&me, address}, turn{&row, other}, turn{&row, other}, turn{&me, address})
	}
	for _, t := range turns {
		if err := t.side.asks(h, t.address, requests, len(answer), long); err != nil {
			return nil, err
		}
	}
	fmt.Fprintf(e.log, "me: %d bytes; µs of processor time each, the client's included: %.0f, one row %.0f\n", len(answer), me.each(), row.each())
	return []Figure{against("me", "requests/s", me.rate(), "Gin, one row by primary key, as many bytes", row.rate(), "≥", meGoal)}, nil
}

// settled waits until every member's balance, usage and plan lie in SQL too: saving
// them is no part of a request that is answered from memory.
func settled(ctx context.Context, h *house) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for saved, before := 0, -1; saved != before; {
		before = saved
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return ctx.Err()
		}
		if err := h.db.QueryRowContext(ctx, "SELECT COUNT(*) FROM account_snapshot").Scan(&saved); err != nil {
			return err
		}
	}
	return nil
}

// turn is which side asks next, and where.
type turn struct {
	side    *side
	address string
}

// asks lets 64 connections ask one address for d, each for members of its own.
func (s *side) asks(h *house, address string, requests [][]byte, size int, d time.Duration) error {
	before, begin := h.cpu(), time.Now()
	counts := make([]int, redeemClients)
	own := len(requests) / redeemClients
	err := parallel(redeemClients, redeemClients, func(i int) (err error) {
		counts[i], err = askRound(address, requests[i*own:(i+1)*own], size, begin.Add(d))
		return err
	})
	s.seconds += time.Since(begin).Seconds()
	s.cpu += h.cpu() - before
	for _, n := range counts {
		s.done += int64(n)
	}
	return err
}

// askRound sends the requests in turns over one connection until end. Every answer is
// 200 and as long as the first, whose body has so many bytes.
func askRound(address string, requests [][]byte, size int, end time.Time) (int, error) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return 0, err
	}
	defer func() { _ = conn.Close() }()
	if _, err := conn.Write(requests[0]); err != nil {
		return 0, err
	}
	var whole bytes.Buffer
	response, err := http.ReadResponse(bufio.NewReader(io.TeeReader(conn, &whole)), nil)
	if err != nil {
		return 0, err
	}
	if n, err := io.Copy(io.Discard, response.Body); err != nil || n != int64(size) {
		return 0, fmt.Errorf("answered %s with %d bytes, want %d: %w", response.Status, n, size, err)
	}
	answer, n := make([]byte, whole.Len()), 1
	for ; time.Now().Before(end); n++ {
		if _, err := conn.Write(requests[n%len(requests)]); err != nil {
			return 0, err
		}
		if _, err := io.ReadFull(conn, answer); err != nil {
			return 0, err
		}
		if !bytes.HasPrefix(answer, []byte("HTTP/1.1 200 OK\r\n")) || !bytes.HasSuffix(answer[:len(answer)-size], []byte("\r\n\r\n")) {
			return 0, fmt.Errorf("answered %.400q", answer)
		}
	}
	return n, nil
}

func listen(h http.Handler) (address string, stop func(), err error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	server := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = server.Serve(listener) }()
	return listener.Addr().String(), func() { _ = server.Close() }, nil
}

// screenOf asks once and returns the body.
func screenOf(address, token string) (string, error) {
	target, err := http.NewRequest(http.MethodGet, "http://"+address+"/api/v1/me", nil)
	if err != nil {
		return "", err
	}
	target.Header.Set("Authorization", "Bearer "+token)
	response, err := http.DefaultClient.Do(target)
	if err != nil {
		return "", err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("answered %s: %s", response.Status, body)
	}
	return string(body), err
}

// rowServer is the peer: Gin, one SELECT by primary key, so many bytes; as many rows
// as there are members, in turns.
func rowServer(ctx context.Context, h *house, size int) (http.Handler, error) {
	if _, err := h.db.ExecContext(ctx, "CREATE TABLE bench_row (id BIGINT NOT NULL PRIMARY KEY, body TEXT NOT NULL)"); err != nil {
		return nil, err
	}
	for id := range meMembers {
		if _, err := h.db.ExecContext(ctx, "INSERT INTO bench_row (id, body) VALUES (?, ?)", id, strings.Repeat("x", size)); err != nil {
			return nil, err
		}
	}
	var asked atomic.Int64
	gin.SetMode(gin.ReleaseMode)
	r := gin.New()
	r.GET("/api/v1/me", func(c *gin.Context) {
		var body string
		if err := h.db.QueryRowContext(c.Request.Context(), "SELECT body FROM bench_row WHERE id = ?", asked.Add(1)%meMembers).Scan(&body); err != nil {
			c.Status(http.StatusInternalServerError)
			return
		}
		c.Data(http.StatusOK, "application/json", []byte(body))
	})
	return r, nil
}

// meCarrier is a carrier of one customer who has what many have.
type meCarrier struct{}

func (meCarrier) Balance(context.Context, model.Phone) (model.Balance, error) {
	return model.Balance{Available: 5863, AsOf: model.At(time.Now())}, nil
}

func (meCarrier) Usage(context.Context, model.Phone) (model.Usage, error) {
	u := model.Usage{AsOf: model.At(time.Now())}
	for _, a := range []model.Allowance{{Kind: model.Data, Name: "国内流量"}, {Kind: model.Voice, Name: "国内通话"}, {Kind: model.SMS, Name: "国内短信"}} {
		a.Total, a.Used, a.Left, a.ValidUntil = 1<<30, 1<<29, 1<<29, u.AsOf.Add(time.Hour)
		u.Allowances = append(u.Allowances, a)
	}
	return u, nil
}

func (meCarrier) Plan(context.Context, model.Phone) (model.Plan, error) {
	return model.Plan{Main: model.Product{ID: "PL-5G-129", Name: "5G畅享套餐129元档", Fee: 12900, Details: []string{"国内流量 30GB", "国内通话 500分钟"}}, AsOf: model.At(time.Now())}, nil
}

func (meCarrier) Bills(context.Context, model.Phone) (model.Bills, error) { return model.Bills{}, nil }

func (meCarrier) Customer(context.Context, model.Phone) (model.Customer, error) {
	return model.Customer{ID: "1", HolderID: "1"}, nil
}

// mePlatform is WeChat for people whose codes are their numbers; SMS go nowhere.
type mePlatform struct{}

func (mePlatform) Code2Session(_ context.Context, code string) (model.OpenID, model.UnionID, error) {
	return model.OpenID("oMeBenchOpenID_" + code), "", nil
}

func (mePlatform) PhoneNumber(_ context.Context, code string) (model.Phone, error) {
	return model.ParsePhone(code)
}

func (mePlatform) SendSMS(context.Context, model.Phone, string, model.RequestID) error {
	return errors.New("no SMS in a bench")
}

// meServer is the API with what GET /me needs, and the access tokens of members who
// have a number and 100 points each.
func meServer(ctx context.Context, h *house) (http.Handler, []string, error) {
	node, err := sqldb.Node(ctx, h.db)
	if err != nil {
		return nil, nil, err
	}
	ids, err := model.NewIDs(node, time.Now)
	if err != nil {
		return nil, nil, err
	}
	key := make([]byte, seal.KeySize)
	_, _ = rand.Read(key) // never fails
	sealer, err := seal.New(map[int][]byte{1: key}, key)
	if err != nil {
		return nil, nil, err
	}
	log, reg := slog.New(slog.DiscardHandler), prometheus.NewRegistry()
	known, err := account.New(meCarrier{}, meCarrier{}, account.Stores{
		DB: h.db, Redis: h.redis, Sealer: sealer, Index: func(p model.Phone) string { return sealer.IndexText(p.Digits(), "account") },
	}, time.Now, log, reg, account.Options{})
	if err != nil {
		return nil, nil, err
	}
	go known.Run(ctx)
	members, err := member.New(member.Deps{
		DB: h.db, Redis: redisdb.Share(h.redis), Sealer: sealer, Outbox: noPromise{}, SMS: mePlatform{}, Carrier: known, IDs: ids, Now: time.Now, Log: log, Metrics: reg,
	}, member.Options{})
	if err != nil {
		return nil, nil, err
	}
	sessions, err := session.New(session.Deps{
		DB: h.db, IDs: ids, Now: time.Now, Log: log, Metrics: reg, Keys: []session.Key{session.NewKey(key)}, Platform: mePlatform{}, People: members, Living: members, Binder: members,
	}, session.Options{})
	if err != nil {
		return nil, nil, err
	}
	go sessions.Run(ctx)
	ledger, err := points.New(h.db, ids, time.Now, log, reg, noPromise{}, nil, points.Options{})
	if err != nil {
		return nil, nil, err
	}
	notices, err := notice.New(h.db, ids, time.Now, notice.Options{})
	if err != nil {
		return nil, nil, err
	}
	requests, err := idempotency.New(h.db, sealer, time.Now, log, reg, idempotency.Options{})
	if err != nil {
		return nil, nil, err
	}
	screens, err := home.New(home.Deps{
		People: members, Account: known, Memory: known, Records: known, Points: ledger, Notices: notices, Members: members, Log: log, Metrics: reg,
	}, home.Options{})
	if err != nil {
		return nil, nil, err
	}
	tokens := make([]string, meMembers)
	if err := parallel(redeemClients, meMembers, func(i int) (err error) {
		tokens[i], err = meMember(ctx, sessions, ledger, i)
		return err
	}); err != nil {
		return nil, nil, err
	}
	routes, err := handler.Routes(handler.Handlers{
		WeChat: &handler.WeChat{}, Gate: handler.Gate{Sessions: sessions, Requests: requests, Log: log}, Me: handler.Me{Screens: screens}, Log: log, Registry: reg,
	})
	return routes, tokens, err
}

// meMember signs somebody in, with a number and points.
func meMember(ctx context.Context, sessions *session.Sessions, ledger *points.Ledger, i int) (string, error) {
	number := fmt.Sprint(13800100000 + i)
	request := model.RequestID(number)
	tokens, err := sessions.Open(ctx, number, request)
	if err != nil {
		return "", err
	}
	if err := sessions.BindPhone(ctx, tokens.Member, number, request); err != nil {
		return "", err
	}
	_, err = ledger.Earn(ctx, tokens.Member, points.SourceCarrier, 100, model.Ref{}, request)
	return tokens.Access, err
}
