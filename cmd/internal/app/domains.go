package app

import (
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"

	"kaimenhong/config"
	"kaimenhong/handler"
	"kaimenhong/job"
	"kaimenhong/model"
	"kaimenhong/service/outbox"
)

// domains are the built domains, as far as handlers and jobs call them.
type domains struct {
	handlers handler.Handlers
	jobs     job.Work
}

// newDomains builds every domain, each after those it calls.
func newDomains(cfg config.Config, s *stores, ids *model.IDs, now model.Clock, log *slog.Logger, reg *prometheus.Registry) (*domains, error) {
	promises := outbox.New(s.db, ids, now, log, reg, outbox.Options{})
	return &domains{
		handlers: handler.Handlers{TrustedProxies: cfg.HTTP.TrustedProxies, Log: log, Registry: reg},
		jobs:     job.Work{Outbox: promises},
	}, nil
}
