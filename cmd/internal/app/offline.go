package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"kaimenhong/config"
	"kaimenhong/model"
	"kaimenhong/model/schema"
	"kaimenhong/model/seal"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/operator"
	"kaimenhong/service/points"
)

// book is the database with what is needed to read and write it from the command
// line, without Redis, WeChat or the carrier.
type book struct {
	stores *stores
	ids    *model.IDs
	sealer *seal.Sealer
}

// openBook opens the database and refuses one that is older than the program.
func openBook(ctx context.Context, cfg config.Config) (*book, error) {
	db, err := OpenDatabase(ctx, cfg)
	if err != nil {
		return nil, err
	}
	b := &book{stores: &stores{db: db, close: []func(){func() { _ = db.Close() }}}}
	if err := b.fill(ctx, cfg); err != nil {
		b.stores.stop()
		return nil, err
	}
	return b, nil
}

func (b *book) fill(ctx context.Context, cfg config.Config) error {
	if err := schema.Check(ctx, b.stores.db); err != nil {
		return err
	}
	node, err := sqldb.Node(ctx, b.stores.db)
	if err != nil {
		return err
	}
	if b.ids, err = model.NewIDs(node, time.Now); err != nil {
		return err
	}
	b.sealer, err = seal.Parse(cfg.Security.PhoneKey.Reveal())
	return err
}

func (b *book) operators(log *slog.Logger) (*operator.Operators, error) {
	return operator.New(b.stores.db, b.sealer, b.ids, time.Now, log, prometheus.NewRegistry(), operator.Options{})
}

// AddOperator makes an operator's account.
func AddOperator(ctx context.Context, cfg config.Config, a operator.Account) (model.ID, error) {
	b, err := openBook(ctx, cfg)
	if err != nil {
		return 0, err
	}
	defer b.stores.stop()
	operators, err := b.operators(NewLog(cfg.Log))
	if err != nil {
		return 0, err
	}
	return operators.Add(ctx, a, operator.System)
}

// CheckLedger proves every invariant of the points ledger in SQL and returns the
// rows that break one, each as a line.
func CheckLedger(ctx context.Context, cfg config.Config) ([]string, error) {
	b, err := openBook(ctx, cfg)
	if err != nil {
		return nil, err
	}
	defer b.stores.stop()
	ledger, err := points.New(b.stores.db, b.ids, time.Now, NewLog(cfg.Log), prometheus.NewRegistry(), nil, nil, points.Options{})
	if err != nil {
		return nil, err
	}
	violations, err := ledger.Check(ctx)
	if err != nil {
		return nil, fmt.Errorf("check the ledger: %w", err)
	}
	var broken []string
	for _, v := range violations {
		broken = append(broken, v.String())
	}
	return broken, nil
}

// CheckAudit reads the audit from its beginning and returns the first row that was
// changed, left out, added or moved.
func CheckAudit(ctx context.Context, cfg config.Config) ([]string, error) {
	b, err := openBook(ctx, cfg)
	if err != nil {
		return nil, err
	}
	defer b.stores.stop()
	operators, err := b.operators(NewLog(cfg.Log))
	if err != nil {
		return nil, err
	}
	chain, err := operators.Verify(ctx)
	if errors.Is(err, operator.ErrTampered) {
		return []string{err.Error()}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("check the audit: %w", err)
	}
	fmt.Printf("audit: %d rows, head %s\n", chain.Rows, chain.Head)
	return nil, nil
}
