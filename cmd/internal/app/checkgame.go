package app

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"kaimenhong/config"
	"kaimenhong/model"
	"kaimenhong/service/payout"
	"kaimenhong/service/redpacket"
)

// CheckGame proves every invariant of the envelopes, their budgets and their prizes in
// SQL and returns what breaks them, a line each. It needs the database alone.
func CheckGame(ctx context.Context, cfg config.Config) ([]string, error) {
	b, err := openBook(ctx, cfg)
	if err != nil {
		return nil, err
	}
	defer b.stores.stop()
	nowhere := redis.NewClient(&redis.Options{Dialer: noRedis, MaxRetries: -1})
	defer func() { _ = nowhere.Close() }()
	engine := redpacket.New(redpacket.Stores{SQL: b.stores.db, Redis: nowhere, Sealer: b.sealer, Payouts: noPayouts{}},
		b.ids, time.Now, NewLog(cfg.Log), nil, redpacket.Options{})
	defer engine.Close()
	payer := payout.New(payout.Needs{SQL: b.stores.db, Wins: wins{engine}, Now: time.Now, Metrics: prometheus.NewRegistry()}, payout.Options{})
	var broken []string
	violations, err := engine.Check(ctx)
	if err != nil {
		return nil, fmt.Errorf("check the game: %w", err)
	}
	for _, v := range violations {
		broken = append(broken, fmt.Sprintf("%s %s %s", v.Rule, v.Subject, v.Detail))
	}
	found, err := payer.Check(ctx)
	if err != nil {
		return nil, fmt.Errorf("check the prizes: %w", err)
	}
	for _, d := range found {
		broken = append(broken, fmt.Sprintf("%s %s %s", d.Rule, d.Pot, d.Detail))
	}
	return broken, nil
}

// errProof is what a proof answers when something would be changed.
var errProof = errors.New("a proof changes nothing")

// noPayouts books nothing.
type noPayouts struct{}

// CreateTx refuses.
func (noPayouts) CreateTx(context.Context, *sql.Tx, []model.Prize) error { return errProof }

// noRedis is the Redis of a proof, which asks SQL alone.
func noRedis(context.Context, string, string) (net.Conn, error) { return nil, errProof }
