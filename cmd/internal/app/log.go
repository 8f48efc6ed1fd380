package app

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/go-sql-driver/mysql"
	"github.com/redis/go-redis/v9"

	"kaimenhong/model"
)

// named adds the request's id to each line that is written on its behalf, also by
// work that goes on after its answer.
type named struct{ slog.Handler }

// Handle implements slog.Handler.
func (n named) Handle(ctx context.Context, r slog.Record) error {
	if id := model.RequestOf(ctx); id != "" {
		r.AddAttrs(slog.String("requestId", string(id)))
	}
	return n.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (n named) WithAttrs(attrs []slog.Attr) slog.Handler { return named{n.Handler.WithAttrs(attrs)} }

// WithGroup implements slog.Handler.
func (n named) WithGroup(group string) slog.Handler { return named{n.Handler.WithGroup(group)} }

// DriversTo has log write what the stores' drivers and the HTTP server say of
// themselves, which else go to standard error in forms of their own.
func DriversTo(log *slog.Logger) {
	slog.SetDefault(log) // the HTTP server writes to the standard library's own
	redis.SetLogger(driver{log, "redis client"})
	_ = mysql.SetLogger(driver{log, "database driver"}) // refuses nil alone
}

// driver is the log of one.
type driver struct {
	log  *slog.Logger
	name string
}

// Printf is for Redis' client. It speaks of connections and addresses, never of keys.
func (d driver) Printf(ctx context.Context, format string, values ...any) {
	d.log.WarnContext(ctx, d.name, "says", fmt.Sprintf(format, values...))
}

// Print is for the database's driver, which speaks of connections and packets.
func (d driver) Print(values ...any) { d.log.Warn(d.name, "says", fmt.Sprint(values...)) }
