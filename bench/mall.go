package main

import (
	"context"
	"crypto/rand"
	"database/sql"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
	"kaimenhong/model/seal"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/mall"
	"kaimenhong/service/points"
)

// What is measured of a redemption.
const (
	redeemClients = 64
	redeemMembers = 4000
	firstMember   = 700_000 // no other number of a redemption looks like a member's
	redeemGifts   = 256
	redeemPrice   = 10
	redeemRounds  = 6 // turns that each side gets
	maxRedeemTrip = 12
)

// counter is the mall on the real ledger.
type counter struct {
	db     *sql.DB
	ids    *model.IDs
	mall   *mall.Mall
	ledger *points.Ledger
	gifts  []model.ID
	next   atomic.Int64 // the next request's number
}

// noPromise is an outbox for what nobody waits for: redeeming a card promises nothing.
type noPromise struct{}

func (noPromise) AddTx(context.Context, *sql.Tx, string, model.RequestID, any) error { return nil }

// noCarrier is never asked: a card is handed over with the redemption.
type noCarrier struct{}

func (noCarrier) Deliver(context.Context, mall.Goods, model.RequestID, bool) (mall.Outcome, error) {
	panic("a card needs no carrier")
}

// newCounter stocks a mall on the database.
func newCounter(ctx context.Context, db *sql.DB) (*counter, error) {
	node, err := sqldb.Node(ctx, db)
	if err != nil {
		return nil, err
	}
	c := &counter{db: db}
	if c.ids, err = model.NewIDs(node, time.Now); err != nil {
		return nil, err
	}
	if c.mall, c.ledger, err = openCounter(db, c.ids); err != nil {
		return nil, err
	}
	for range redeemGifts {
		g, err := c.mall.AddGift(ctx, 0, mall.Gift{
			Category: "压测", Kind: mall.Card, Title: "会员卡", Points: redeemPrice, Total: 10_000_000,
			EndsAt: model.At(time.Now().Add(240 * time.Hour)), Spec: mall.Spec{AppID: "wx0000000000000000", Page: "a"},
		})
		if err != nil {
			return nil, err
		}
		g.OnSale = true
		if _, err := c.mall.EditGift(ctx, 0, g); err != nil {
			return nil, err
		}
		c.gifts = append(c.gifts, g.ID)
	}
	return c, nil
}

func openCounter(db *sql.DB, ids *model.IDs) (*mall.Mall, *points.Ledger, error) {
	key := make([]byte, seal.KeySize)
	_, _ = rand.Read(key) // never fails
	sealer, err := seal.New(map[int][]byte{1: key}, nil)
	if err != nil {
		return nil, nil, err
	}
	log, reg := slog.New(slog.DiscardHandler), prometheus.NewRegistry()
	ledger, err := points.New(db, ids, time.Now, log, reg, noPromise{}, nil, points.Options{})
	if err != nil {
		return nil, nil, err
	}
	m, err := mall.New(mall.Deps{
		DB: db, IDs: ids, Now: time.Now, Log: log, Metrics: reg, Sealer: sealer, Spender: ledger, Holder: ledger, Outbox: noPromise{}, Carrier: noCarrier{},
	})
	return m, ledger, err
}

// lotOf is the id of a loaded member's lot.
func lotOf(member, lot int) int64 { return int64(member)*1_000_000 + int64(lot) }

// wealth gives members from first on open lots of equal worth, and a history of points
// that were earned and spent: two entries each, in lots of their own.
func (c *counter) wealth(ctx context.Context, first, members, lots, each, history int) error {
	now := int64(model.At(time.Now()))
	l := loader{ctx: ctx, db: c.db}
	year := int64(365 * 24 * time.Hour / time.Millisecond)
	for m := first; m < first+members; m++ {
		for i := range lots + history {
			id, worth, left, open := lotOf(m, i), each, each, any(m)
			if i >= lots {
				worth, left, open = 10, 0, nil
			}
			l.add("points_posting (id, member_id, kind, amount, source, reason, operator_id, created_at)", id, m, "earn", worth, "ever", "", 0, now)
			l.add("points_entry (posting_id, account, account_id, lot_id, amount)", id, "issued", 0, 0, -worth)
			l.add("points_entry (posting_id, account, account_id, lot_id, amount)", id, "member", m, id, worth)
			l.add("points_lot (id, member_id, open_member, pending_member, issued, remaining, source, active_at, expires_at, posting_id, origin_id, created_at)",
				id, m, open, nil, worth, left, "ever", now, now+year+int64(i), id, 0, now)
			if i >= lots {
				spent := id + 500_000
				l.add("points_posting (id, member_id, kind, amount, source, ref_type, ref_id, reason, operator_id, created_at)", spent, m, "spend", -10, "", "load", strconv.FormatInt(id, 10), "", 0, now)
				l.add("points_entry (posting_id, account, account_id, lot_id, amount)", spent, "redeemed", 0, 0, 10)
				l.add("points_entry (posting_id, account, account_id, lot_id, amount)", spent, "member", m, id, -10)
			}
		}
		l.add("points_account (member_id, balance, pending, held, due_at, version, merged_into, closed_at, created_at)", m, lots*each, 0, 0, now+year, 0, 0, 0, now)
	}
	return l.flush()
}

// loader writes rows in large INSERTs, by table.
type loader struct {
	ctx    context.Context
	db     *sql.DB
	tables map[string][]any
	err    error
}

func (l *loader) add(into string, row ...any) {
	if l.tables == nil {
		l.tables = map[string][]any{}
	}
	if l.tables[into] = append(l.tables[into], row...); len(l.tables[into]) >= 500*len(row) {
		l.write(into)
	}
}

func (l *loader) write(into string) {
	args := l.tables[into]
	columns := strings.Count(into, ",") + 1
	if l.err == nil && len(args) > 0 {
		row := ",(" + strings.Repeat(",?", columns)[1:] + ")"
		_, l.err = l.db.ExecContext(l.ctx, "INSERT INTO "+into+" VALUES "+strings.Repeat(row, len(args)/columns)[1:], args...)
	}
	l.tables[into] = args[:0]
}

func (l *loader) flush() error {
	for into := range l.tables {
		l.write(into)
	}
	return l.err
}

// redeem is one redemption by a member, of one of the first so many gifts.
func (c *counter) redeem(ctx context.Context, member, gifts int) error {
	n := c.next.Add(1)
	_, err := c.mall.Redeem(ctx, mall.Order{
		Member: model.MemberID(member), Gift: c.gifts[int(n)%gifts], Request: model.RequestID("r-" + strconv.FormatInt(n, 10)),
	})
	return err
}

// statement is one of a redemption's, as the driver was given it.
type statement struct {
	text  string
	query bool
	args  []any
}

// script is the statements of one redemption, recorded.
type script struct {
	reads, writes []statement // before BEGIN, and within the transaction
	member        int
	request       string
	gift          int64
}

// record redeems once and keeps what the database was told, round trip by round trip.
func (c *counter) record(ctx context.Context, member int) (s script, trips int, err error) {
	begun := false
	watched := dbtest.WatchedBy(c.db, func(t dbtest.Trip) error {
		if !t.Done {
			return nil
		}
		trips++
		if t.Statement == "BEGIN" || t.Statement == "COMMIT" {
			begun = true
			return nil
		}
		made := statement{text: t.Statement, query: t.Query}
		for _, a := range t.Args {
			made.args = append(made.args, a.Value)
		}
		if begun {
			s.writes = append(s.writes, made)
		} else {
			s.reads = append(s.reads, made)
		}
		return nil
	})
	defer func() { _ = watched.Close() }()
	m, _, err := openCounter(watched, c.ids)
	if err != nil {
		return s, 0, err
	}
	s.member, s.request, s.gift = member, "recorded", int64(c.gifts[0])
	_, err = m.Redeem(ctx, mall.Order{Member: model.MemberID(member), Gift: c.gifts[0], Request: "recorded"})
	return s, trips, err
}

// part is what an argument of a recorded statement becomes in a repeat.
func (c *counter) part(v any, s script, member int, request string, gift int64, fresh map[int64]int64) any {
	id := func(old int64) int64 {
		if fresh[old] == 0 {
			fresh[old] = int64(c.ids.Next())
		}
		return fresh[old]
	}
	const made = 1 << 50 // what is larger is an id that was made for the redemption
	switch v := v.(type) {
	case int64:
		switch {
		case v == int64(s.member):
			return int64(member)
		case v == s.gift:
			return gift
		case v == lotOf(s.member, 0):
			return lotOf(member, 0)
		case v > made:
			return id(v)
		}
	case string:
		if v == s.request {
			return request
		}
		for _, piece := range strings.Split(v, "-") { // redemption-ID-redeem, or the id alone
			if old, err := strconv.ParseInt(piece, 10, 64); err == nil && old > made {
				return strings.Replace(v, piece, strconv.FormatInt(id(old), 10), 1)
			}
		}
	}
	return v
}

// bare sends the statements of one redemption over the driver, and nothing else.
func (c *counter) bare(ctx context.Context, s script, member int) error {
	n := c.next.Add(1)
	fresh, request, gift := map[int64]int64{}, "r-"+strconv.FormatInt(n, 10), int64(c.gifts[int(n)%len(c.gifts)])
	fill := func(from statement) []any {
		args := make([]any, len(from.args))
		for i, a := range from.args {
			args[i] = c.part(a, s, member, request, gift, fresh)
		}
		return args
	}
	for _, st := range s.reads {
		if err := drain(c.db.QueryContext(ctx, st.text, fill(st)...)); err != nil {
			return err
		}
	}
	tx, err := c.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	for _, st := range s.writes {
		if st.query {
			err = drain(tx.QueryContext(ctx, st.text, fill(st)...))
		} else {
			err = hit(tx.ExecContext(ctx, st.text, fill(st)...))
		}
		if err != nil {
			return fmt.Errorf("%.60s: %w", st.text, err)
		}
	}
	return tx.Commit()
}

// hit makes an error of a statement that changed nothing: then the loop would do less.
func hit(result sql.Result, err error) error {
	if err != nil {
		return err
	}
	if n, err := result.RowsAffected(); err != nil || n == 0 {
		return fmt.Errorf("%d rows changed: %w", n, err)
	}
	return nil
}

func drain(rows *sql.Rows, err error) error {
	if err != nil {
		return err
	}
	for rows.Next() {
	}
	if err := rows.Err(); err != nil {
		return err
	}
	return rows.Close()
}
