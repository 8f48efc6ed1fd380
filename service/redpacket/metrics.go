package redpacket

import "github.com/prometheus/client_golang/prometheus"

// metrics are the engine's numbers; labels are from closed sets.
type metrics struct {
	helps     *prometheus.CounterVec // result: a fault's code, or ok
	opened    *prometheus.CounterVec
	ended     *prometheus.CounterVec // state: filled, closed
	conflicts *prometheus.CounterVec // key: slot, helper, nth
	redis     *prometheus.CounterVec // what: merge, day, sweep, unissue, away
	rows      prometheus.Histogram
	scripts   prometheus.Histogram
}

func newMetrics(reg prometheus.Registerer) *metrics {
	counter := func(name, help, label string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, []string{label})
	}
	sizes := prometheus.ExponentialBuckets(1, 2, 10)
	m := &metrics{
		helps:     counter("redpacket_helps_total", "Helps by their answer.", "result"),
		opened:    counter("redpacket_openings_total", "Openings of pots by their answer.", "result"),
		ended:     counter("redpacket_pots_ended_total", "Pots by how they ended.", "state"),
		conflicts: counter("redpacket_conflicts_total", "Rows that met a standing one, by the key.", "key"),
		redis:     counter("redpacket_redis_repairs_total", "What had to be done because Redis did not know.", "what"),
		rows: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "redpacket_commit_rows", Help: "Helps in one commit.", Buckets: sizes,
		}),
		scripts: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "redpacket_script_batch", Help: "Scripts in one round trip to Redis.", Buckets: sizes,
		}),
	}
	if reg != nil {
		reg.MustRegister(m.helps, m.opened, m.ended, m.conflicts, m.redis, m.rows, m.scripts)
	}
	return m
}
