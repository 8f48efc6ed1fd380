package points

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
)

// trail is an audit that remembers, and refuses when it is told to.
type trail struct {
	mu    sync.Mutex
	lines []string
	full  error
}

func (a *trail) RecordTx(_ context.Context, _ *sql.Tx, e model.AuditEntry) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.full != nil {
		return a.full
	}
	a.lines = append(a.lines, fmt.Sprintf("%d %s", e.Operator, e.Action))
	return nil
}

func TestWhatAnOperatorDoesStandsWithItsLineOrNotAtAll(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
		f := newLedger(t, pool)
		audit := &trail{}
		f.opts.Audit = audit
		f.phones[phone(t, "13800000001")] = alice
		ctx := t.Context()
		const maker, checker = model.ID(31), model.ID(32)
		var waiting, refused Adjustment
		file := "流水号,手机号,积分\nA-1,13800000001,120\n"
		for _, step := range []struct {
			line string
			do   func() (err error)
		}{
			{"31 points.adjust", func() error { _, err := f.Adjust(ctx, maker, alice, 500, "补偿", "a"); return err }},
			{"31 points.adjust", func() error { _, err := f.Adjust(ctx, maker, alice, 500, "补偿", "a"); return err }}, // a repeat
			{"31 points.adjust", func() (err error) { waiting, err = f.Adjust(ctx, maker, alice, 5000, "补偿", "b"); return err }},
			{"31 points.adjust", func() (err error) { refused, err = f.Adjust(ctx, maker, alice, 6000, "补偿", "c"); return err }},
			{"32 points.approve", func() error { _, err := f.Approve(ctx, waiting.ID, checker); return err }},
			{"32 points.approve", func() error { _, err := f.Approve(ctx, waiting.ID, checker); return err }},
			{"32 points.reject", func() error { _, err := f.Reject(ctx, refused.ID, checker); return err }},
			{"31 points.import", func() error {
				_, err := f.Import(ctx, maker, "jf.csv", sum([]byte(file)), strings.NewReader(file))
				return err
			}},
		} {
			before, err := f.PointsBalance(ctx, alice)
			if err != nil {
				t.Fatal(err)
			}
			audit.full = errors.New("no line can be written")
			if err := step.do(); !errors.Is(err, audit.full) {
				t.Fatalf("%s without a line = %v, want %v", step.line, err, audit.full)
			}
			f.wantBalance(t, alice, before.Available)
			audit.full, audit.lines = nil, nil
			if err := step.do(); err != nil {
				t.Fatalf("%s: %v", step.line, err)
			}
			if got := strings.Join(audit.lines, ", "); got != step.line {
				t.Errorf("the audit has %q, want %q", got, step.line)
			}
		}
		f.wantBalance(t, alice, 5620)
		f.wantClean(t)
	})
}

func TestWhatIsNotThereIsNotChanged(t *testing.T) {
	f := newLedger(t, dbtest.SQLite(t))
	f.opts.Audit = &trail{}
	ctx := t.Context()
	if _, err := f.Adjust(ctx, 31, nobody, 5, "补偿", "a"); !errors.Is(err, ErrNoMember) {
		t.Errorf("adjusting nobody = %v", err)
	}
	if _, err := f.File(ctx, strings.Repeat("0", 64)); !errors.Is(err, ErrNoFile) {
		t.Errorf("a file that never came = %v", err)
	}
	if _, _, err := f.FileErrors(ctx, strings.Repeat("0", 64), "", 10); !errors.Is(err, ErrNoFile) {
		t.Errorf("its errors = %v", err)
	}
	bad := "号码,积分\n1,2\n"
	if _, err := f.Import(ctx, 31, "x", sum([]byte(bad)), strings.NewReader(bad)); !errors.Is(err, ErrFileFormat) {
		t.Errorf("a file without its columns = %v", err)
	}
	if _, err := f.File(ctx, sum([]byte(bad))); !errors.Is(err, ErrNoFile) {
		t.Errorf("a file that was refused whole is kept: %v", err)
	}
}
