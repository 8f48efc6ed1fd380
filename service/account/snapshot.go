package account

import (
	"context"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/maypok86/otter/v2"

	"kaimenhong/model"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/account/internal/db"
)

// The limits of snapshots.
const (
	saveEvery   = time.Minute     // at most one write a number and kind in that time
	saveTimeout = 5 * time.Second // of one write
	readTimeout = time.Second     // of one read
	maxSealed   = 60_000          // bytes of the column; TEXT holds 65,535
	pruneBatch  = 500             // rows
	maxSaves    = 200_000         // numbers and kinds whose last write is remembered
)

// writer saves last known values behind the answers: through a bounded queue, one
// at a time. What does not fit is dropped and counted; the next fetch offers it
// again.
type writer struct {
	service *Service
	queue   chan save
	last    *otter.Cache[string, time.Time]
}

type save struct {
	key, kind string
	epoch     uint64
	asOf      model.Millis
	value     any // a pointer that nobody changes any more
}

func newWriter(s *Service) (*writer, error) {
	last, err := otter.New(&otter.Options[string, time.Time]{MaximumSize: maxSaves})
	return &writer{service: s, queue: make(chan save, s.opts.Queue), last: last}, err
}

// offer queues a value unless one of the number and kind was queued within a minute.
func (w *writer) offer(key, kind string, epoch uint64, asOf model.Millis, value any) {
	now := w.service.now()
	name := kind + ":" + key
	if at, ok := w.last.GetIfPresent(name); ok && now.Sub(at) < saveEvery {
		return
	}
	select {
	case w.queue <- save{key, kind, epoch, asOf, value}:
		w.last.Set(name, now)
	default:
		w.service.saves.WithLabelValues("dropped").Inc()
	}
}

// run writes until ctx ends, then what is still queued, within saveTimeout.
func (w *writer) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			w.drain()
			return
		case s := <-w.queue:
			w.write(ctx, s)
		}
	}
}

func (w *writer) drain() {
	ctx, cancel := context.WithTimeout(context.Background(), saveTimeout)
	defer cancel()
	for ctx.Err() == nil {
		select {
		case s := <-w.queue:
			w.write(ctx, s)
		default:
			return
		}
	}
}

// write saves one value and counts how it went. A number that was erased in the
// meantime leaves nothing.
func (w *writer) write(ctx context.Context, s save) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), saveTimeout)
	defer cancel()
	outcome := "written"
	switch err := w.store(ctx, s); {
	case errors.Is(err, errErased):
		outcome = "erased"
	case err != nil:
		outcome = "failed"
		w.service.log.WarnContext(ctx, "account snapshot not saved", "kind", s.kind, "error", err)
	}
	w.service.saves.WithLabelValues(outcome).Inc()
}

var errErased = errors.New("the number was forgotten meanwhile")

func (w *writer) store(ctx context.Context, s save) error {
	if w.service.epochs.of(s.key) != s.epoch {
		return errErased
	}
	plain, err := json.Marshal(s.value)
	if err != nil {
		return err
	}
	sealed := base64.RawStdEncoding.EncodeToString(w.service.sealer.Seal(plain, binding(s.key, s.kind)))
	if len(sealed) > maxSealed || len(s.key) > maxKey {
		return fmt.Errorf("%d bytes under a key of %d do not fit", len(sealed), len(s.key))
	}
	q, now := w.service.queries, model.At(w.service.now())
	n, err := q.ReplaceSnapshot(ctx, db.ReplaceSnapshotParams{
		Sealed: sealed, AsOf: int64(s.asOf), SavedAt: int64(now), PhoneKey: s.key, Kind: s.kind, NotAfter: int64(s.asOf),
	})
	if err == nil && n == 0 {
		err = q.InsertSnapshot(ctx, db.InsertSnapshotParams{PhoneKey: s.key, Kind: s.kind, Sealed: sealed, AsOf: int64(s.asOf), SavedAt: int64(now)})
		if sqldb.Duplicate(err) {
			err = nil // another replica has a newer one
		}
	}
	if err != nil {
		return err
	}
	if usage, ok := s.value.(*model.Usage); ok {
		if err := w.sampleDay(ctx, s.key, *usage); err != nil {
			return err
		}
	}
	if w.service.epochs.of(s.key) != s.epoch { // Erase may have run between the look and the write
		if err := w.service.eraseRows(ctx, s.key); err != nil {
			return err
		}
		return errErased
	}
	return nil
}

// binding ties a sealed value to its row.
func binding(key, kind string) []byte { return []byte("account_snapshot:" + kind + ":" + key) }

// snapshot reads and opens a last known value.
func (s *Service) snapshot(ctx context.Context, key, kind string) ([]byte, bool) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	row, err := s.queries.Snapshot(ctx, db.SnapshotParams{PhoneKey: key, Kind: kind})
	if errors.Is(err, sql.ErrNoRows) {
		return nil, false
	}
	var plain []byte
	if err == nil {
		if plain, err = base64.RawStdEncoding.DecodeString(row.Sealed); err == nil {
			plain, err = s.sealer.Open(plain, binding(key, kind))
		}
	}
	if err != nil { // the carrier is down as well: the caller is told that nothing is known
		s.log.ErrorContext(ctx, "account snapshot cannot be opened", "kind", kind, "error", err)
		return nil, false
	}
	return plain, true
}

// Prune deletes last known values and days that are too old to be shown, some limit
// rows of each, and returns how many. A job calls it once a day until it returns 0.
func (s *Service) Prune(ctx context.Context, limit int) (int, error) {
	limit = min(max(limit, 1), pruneBatch)
	done, err := s.pruneDays(ctx, limit)
	if err != nil {
		return done, err
	}
	before := int64(model.At(s.now().Add(-s.opts.MaxStale)))
	edge, err := s.queries.SnapshotEdge(ctx, db.SnapshotEdgeParams{SavedBefore: before, Offset: int32(limit - 1)})
	if errors.Is(err, sql.ErrNoRows) { // fewer are left
		edge, err = before-1, nil
	}
	if err != nil {
		return done, fmt.Errorf("find old account snapshots: %w", err)
	}
	n, err := s.queries.DeleteOldSnapshots(ctx, edge)
	if err != nil {
		return done, fmt.Errorf("prune account snapshots: %w", err)
	}
	return done + int(n), nil
}
