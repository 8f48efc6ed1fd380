// Package app builds the application's object graph by hand, in reading order, for
// the production binary, the demo and the story tests.
package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"kaimenhong/config"
	"kaimenhong/handler"
	"kaimenhong/job"
	"kaimenhong/model"
	"kaimenhong/model/sqldb"
)

// App is the whole application. Make one with New, serve Handler, run Start, end
// with Close.
type App struct {
	Handler http.Handler

	cfg     config.Config
	log     *slog.Logger
	now     model.Clock
	stores  *stores
	domains *domains
	traces  tracing
	jobs    *job.Runner
	stop    context.CancelFunc
	running sync.WaitGroup
}

// New opens the stores and builds every domain. It returns an error that names
// everything that is wrong: a store that does not answer, a pending migration,
// tables of another character set, a Redis that evicts.
func New(ctx context.Context, cfg config.Config, log *slog.Logger, now model.Clock) (*App, error) {
	if err := unread(cfg); err != nil {
		return nil, err
	}
	stores, err := openStores(ctx, cfg)
	if err != nil {
		return nil, err
	}
	a := &App{cfg: cfg, log: slog.New(named{log.Handler()}), now: now, stores: stores}
	if err := a.build(ctx, now); err != nil {
		stores.stop()
		return nil, err
	}
	return a, nil
}

func (a *App) build(ctx context.Context, now model.Clock) error {
	if err := a.stores.fit(ctx, a.log); err != nil {
		return err
	}
	node, err := sqldb.Node(ctx, a.stores.db)
	if err != nil {
		return err
	}
	ids, err := model.NewIDs(node, now)
	if err != nil {
		return err
	}
	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		collectors.NewDBStatsCollector(a.stores.db, "kaimenhong"))
	sealer, err := a.stores.sealer(ctx, a.cfg)
	if err != nil {
		return err
	}
	a.traces = newTracing(a.cfg.Trace, a.log)
	g := ground{traces: a.traces, cfg: a.cfg, stores: a.stores, ids: ids, now: now, log: a.log, reg: reg, sealer: sealer}
	if a.domains, err = newDomains(g); err != nil {
		return err
	}
	if err := a.domains.rules.Refresh(ctx); err != nil {
		return err
	}
	if a.jobs, err = job.New(a.stores.db, now, a.log, reg, job.Schedule(a.domains.work(a.log))); err != nil {
		return err
	}
	handlers, err := a.domains.handlers(g)
	if err != nil {
		return err
	}
	handlers.Health = handler.Health{Checks: map[string]func(context.Context) error{
		"database": a.stores.db.PingContext,
		"redis":    func(ctx context.Context) error { return a.stores.redis.Ping(ctx).Err() },
	}}
	a.Handler, err = handler.Routes(handlers)
	return err
}

// Start lets the jobs and what runs beside requests begin.
func (a *App) Start() {
	ctx, stop := context.WithCancel(context.Background())
	a.stop = stop
	for _, run := range a.domains.background {
		a.running.Go(func() { run(ctx) })
	}
	a.jobs.Start()
}

// Close waits for what was begun, ends the jobs and closes the stores. Nothing is
// served any more.
func (a *App) Close(ctx context.Context) error {
	failed := []error{a.jobs.Stop(ctx)}
	for _, drain := range a.domains.drain {
		failed = append(failed, drain(ctx))
	}
	if a.stop != nil {
		a.stop()
		a.running.Wait()
	}
	if a.traces.flush != nil {
		failed = append(failed, a.traces.flush(ctx))
	}
	a.stores.stop()
	return errors.Join(failed...)
}

// Server bounds: a slow or endless client costs a connection, not the process.
const (
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 15 * time.Second
	writeTimeout      = 60 * time.Second
	idleTimeout       = 2 * time.Minute
	maxHeader         = 32 << 10
)

// Serve answers on the listener until ctx is done, then lets requests that are
// being answered finish, for at most cfg.HTTP.ShutdownTimeout.
func Serve(ctx context.Context, listener net.Listener, h http.Handler, shutdown time.Duration) error {
	server := &http.Server{
		Handler: h, ReadHeaderTimeout: readHeaderTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout,
		IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeader,
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdown)
	defer cancel()
	if err := server.Shutdown(stop); err != nil {
		return errors.Join(fmt.Errorf("stop: %w", err), server.Close())
	}
	return nil
}
