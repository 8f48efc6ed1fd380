package audience

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"kaimenhong/model/sqldb"
)

// laid is a batch whose rows go into a transaction of their own while the batch before
// is still being saved, for the server uses one processor for one LOAD DATA. It waits
// for its turn before the checkpoint, so that batches are committed in their order.
type laid struct {
	b      *batch
	turn   chan struct{}
	done   chan struct{}
	err    error // once done is closed
	gave   bool  // it was ended before its turn
	cancel context.CancelFunc
}

// mayLay tells whether a batch can be laid: there are rows made for it, and it seems
// that no number is known.
func (w *writer) mayLay(b *batch) bool { return w.allNew && w.p.loads && !b.repeats }

func (w *writer) lay(ctx context.Context, b *batch) *laid {
	ctx, cancel := context.WithCancel(ctx)
	l := &laid{b: b, turn: make(chan struct{}), done: make(chan struct{}), cancel: cancel}
	go func() {
		defer close(l.done)
		defer cancel()
		l.err = sqldb.InTx(ctx, w.a.DB, func(tx *sql.Tx) error {
			if err := loadTx(ctx, tx, &b.portraits, &b.customers); err != nil {
				return err
			}
			select {
			case <-l.turn:
				return w.checkpoint(ctx, tx, b, int64(len(b.lines)))
			case <-ctx.Done():
				return ctx.Err()
			}
		})
	}()
	return l
}

// giveWay ends the transaction of a batch that has not had its turn; nil is none.
func (l *laid) giveWay() {
	if l != nil {
		l.gave = true
		l.cancel()
		<-l.done
	}
}

// How long a batch whose turn it is shares the table with the next one: patience, or so
// many times what the batch before took. It may wait for a number that the next one holds,
// which waits for its turn: the server does not see that the two wait for each other.
const (
	patience = time.Second
	slower   = 4
)

// keep commits a laid batch; nil is none. When a number was known after all, or the batch
// gave way, it is saved with a look, alone.
func (w *writer) keep(ctx context.Context, l, next *laid) error {
	if l == nil {
		return nil
	}
	close(l.turn)
	began := time.Now()
	late := time.NewTimer(max(patience, slower*w.took))
	defer late.Stop()
	select {
	case <-l.done:
	case <-late.C:
		next.giveWay()
		<-l.done
	}
	w.took = time.Since(began)
	switch {
	case l.err == nil:
		w.saved(l.b, int64(len(l.b.lines)), 0)
		return nil
	case l.gave && ctx.Err() == nil, sqldb.Duplicate(l.err), errors.Is(l.err, sqldb.ErrSkipped):
		next.giveWay()
		w.allNew = false
		return w.save(ctx, l.b)
	}
	return l.err
}
