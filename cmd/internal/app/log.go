package app

import (
	"context"
	"log/slog"

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
