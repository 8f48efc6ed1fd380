package carrier

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"
)

// snapshot is what Save writes: the seed and whatever differs from what it makes.
type snapshot struct {
	Seed      uint64   `json:"seed"`
	Customers int      `json:"customers"`
	Epoch     int64    `json:"epoch"` // ms
	Serial    int64    `json:"serial"`
	FailNext  int      `json:"failNext"`
	Lines     []*line  `json:"lines"`
	Orders    []*order `json:"orders"`
	TopUps    []*order `json:"topUps"`
}

// maxSnapshot bounds what Load reads.
const maxSnapshot = 256 << 20

// Save writes the world as JSON.
func (w *World) Save(to io.Writer) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := snapshot{
		Seed: w.opts.Seed, Customers: len(w.lines), Epoch: w.epoch.UnixMilli(), Serial: w.serial, FailNext: w.failNext,
		Orders: sorted(w.orders), TopUps: sorted(w.topUps),
	}
	for _, l := range w.lines {
		if l.Changed {
			s.Lines = append(s.Lines, l)
		}
	}
	if err := json.NewEncoder(to).Encode(s); err != nil {
		return fmt.Errorf("save the sandbox's carrier: %w", err)
	}
	return nil
}

func sorted(book map[string]*order) []*order {
	list := make([]*order, 0, len(book))
	for _, o := range book {
		list = append(list, o)
	}
	slices.SortFunc(list, func(a, b *order) int { return cmp.Compare(a.ID, b.ID) })
	return list
}

// Load replaces the world with what Save wrote. On an error the world is as it
// was.
func (w *World) Load(from io.Reader) error {
	var s snapshot
	if err := json.NewDecoder(io.LimitReader(from, maxSnapshot)).Decode(&s); err != nil {
		return fmt.Errorf("load the sandbox's carrier: %w", err)
	}
	if s.Customers < len(personas) || s.Customers > maxCustomers || len(s.Orders) > maxOrders || len(s.TopUps) > maxOrders {
		return errors.New("load the sandbox's carrier: the snapshot's sizes are out of range")
	}
	for _, l := range s.Lines {
		if l == nil || l.Index < 0 || l.Index >= s.Customers {
			return errors.New("load the sandbox's carrier: a line lies outside of the world")
		}
	}
	for _, o := range slices.Concat(s.Orders, s.TopUps) {
		if o == nil || o.Line < 0 || o.Line >= s.Customers {
			return errors.New("load the sandbox's carrier: an order lies outside of the world")
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.opts.Seed, w.opts.Customers, w.epoch = s.Seed, s.Customers, time.UnixMilli(s.Epoch)
	w.serial, w.failNext = s.Serial, s.FailNext
	w.populate()
	for _, l := range s.Lines {
		w.lines[l.Index] = l
	}
	w.index()
	for book, list := range map[*map[string]*order][]*order{&w.orders: s.Orders, &w.topUps: s.TopUps} {
		for _, o := range list {
			(*book)[o.External], w.byID[o.ID] = o, o
			if o.State == acknowledged || o.State == inProgress {
				w.pending = append(w.pending, o)
			}
		}
	}
	slices.SortFunc(w.pending, func(a, b *order) int { return cmp.Or(cmp.Compare(a.At, b.At), cmp.Compare(a.ID, b.ID)) })
	return nil
}
