package app

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"kaimenhong/config"
	"kaimenhong/model"
	"kaimenhong/model/schema"
	"kaimenhong/service/campaign"
	"kaimenhong/service/redpacket"
)

// Behaviour is the model by which a rehearsal lets people act. It is stated with the
// result, for it is an assumption and no forecast.
type Behaviour struct {
	Tap  float64 // of those whom a message reached
	Open float64 // of those who tapped: a pot
	Help float64 // of the friends whom a pot needs: each helps
}

// DefaultBehaviour is the campaigns' own, in shares.
var DefaultBehaviour = shares(campaign.DefaultBehaviour)

// shares are the percent of the operators' API.
func shares(b campaign.Behaviour) Behaviour {
	share := func(percent int) float64 { return float64(percent) / 100 }
	return Behaviour{share(b.Tap), share(b.Open), share(b.Help)}
}

// The bounds of a rehearsal.
const (
	maxRehearsed   = 20_000 // steps of the virtual clock
	canaryTick     = 5 * time.Minute
	busyTick       = 30 * time.Minute
	hourly         = time.Hour
	rehearsalGrace = 30 * time.Hour // after the end of the campaign
)

// Rehearse runs a version of a campaign (0: the last) on the real code, in the time of
// a virtual clock, in a scratch copy of what it needs: SQLite in a temporary folder, a
// Redis within the process and a stand-in for WeChat. The real book is read and not
// written, and nothing is left behind. The result says what would happen.
func Rehearse(ctx context.Context, cfg config.Config, real model.Clock, id model.ID, version int, b Behaviour) (r Rehearsal, err error) {
	from, err := OpenDatabase(ctx, cfg)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, from.Close()) }()
	return rehearse(ctx, cfg, from, real, wish{id, version, b, func(model.Millis, int) {}})
}

// wish is what is to be rehearsed; told hears how far it is after each round.
type wish struct {
	campaign  model.ID
	version   int
	behaviour Behaviour
	told      func(at model.Millis, messages int)
}

func rehearse(ctx context.Context, cfg config.Config, from *sql.DB, real model.Clock, w wish) (r Rehearsal, err error) {
	dir, err := os.MkdirTemp("", "kaimenhong-rehearsal-")
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	scratch := cfg
	scratch.Database.DSN = config.Secret("sqlite:" + filepath.Join(dir, "rehearsal.db"))
	scratch.Redis = config.Redis{Addrs: []string{config.EmbeddedRedis}}
	if w.version, err = fill(ctx, from, scratch, w.campaign, w.version); err != nil {
		return r, err
	}
	var ahead atomic.Int64
	now := func() time.Time { return real().Add(time.Duration(ahead.Load())) }
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return r, err
	}
	opts, err := planning(cfg.Push)
	if err != nil {
		return r, err
	}
	outside := newStandIn(now, opts)
	server := &http.Server{Handler: outside, ReadHeaderTimeout: readHeaderTimeout}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	defer func() {
		err = errors.Join(err, server.Close())
		<-served // that it was closed
	}()
	base := "http://" + listener.Addr().String()
	scratch.WeChat.BaseURL, scratch.Carrier.BaseURL, scratch.SMS.BaseURL = base, base, base
	a, err := New(ctx, scratch, slog.New(slog.DiscardHandler), now)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, a.Close(context.WithoutCancel(ctx))) }()
	s := &stage{
		a: a, id: w.campaign, version: w.version, outside: outside, behaviour: w.behaviour, told: w.told, seen: map[model.ID]bool{}, refused: map[string]int{},
		pass: func(d time.Duration) { ahead.Add(int64(d)) },
	}
	return s.play(ctx)
}

// fill makes the scratch book and answers which version it holds, approved and not
// live yet. A version that changes a campaign under way, or is live, goes on from where
// the campaign stands.
func fill(ctx context.Context, from *sql.DB, scratch config.Config, id model.ID, version int) (int, error) {
	into, err := OpenDatabase(ctx, scratch)
	if err != nil {
		return 0, err
	}
	defer func() { _ = into.Close() }()
	if _, err := schema.Up(ctx, into); err != nil {
		return 0, err
	}
	if version == 0 {
		if err := from.QueryRowContext(ctx, "SELECT COALESCE(MAX(version), 0) FROM campaign_version WHERE campaign_id = ? AND frozen_id > 0", int64(id)).Scan(&version); err != nil {
			return 0, fmt.Errorf("find the version: %w", err)
		}
	}
	var frozen, last int64
	row := from.QueryRowContext(ctx, "SELECT COALESCE(MAX(frozen_id), 0), COALESCE(MAX(version), 0) FROM campaign_version WHERE campaign_id = ? AND version = ?", int64(id), version)
	if err := row.Scan(&frozen, &last); err != nil {
		return 0, fmt.Errorf("find the version: %w", err)
	}
	if frozen == 0 {
		return 0, campaign.ErrNotFrozen
	}
	copies := copier{from, into}
	if err := copies.campaign(ctx, id, version, model.ID(frozen)); err != nil {
		return 0, err
	}
	goesOn, err := copies.past(ctx, id, version)
	if err != nil {
		return 0, err
	}
	scene := []string{
		"UPDATE campaign SET state = 'draft', why = '', told = '', paused_from = '', live_version = 0, canary_at = 0, released_at = 0",
		"UPDATE campaign_version SET state = 'approved'",
	}
	if goesOn {
		scene = []string{
			"UPDATE campaign SET state = CASE WHEN state = 'paused' THEN paused_from ELSE state END, why = '', told = '', paused_from = ''",
			fmt.Sprintf("UPDATE campaign_version SET state = 'approved' WHERE version = %d AND state <> 'live'", version),
			"UPDATE campaign_watch SET leased_until = 0, lease_token = ''",
		}
	}
	for _, text := range scene {
		if _, err := into.ExecContext(ctx, text); err != nil {
			return 0, fmt.Errorf("set the scene: %w", err)
		}
	}
	return version, nil
}

// stage is where a rehearsal plays.
type stage struct {
	a         *App
	id        model.ID
	version   int
	outside   *standIn
	behaviour Behaviour
	told      func(at model.Millis, messages int)
	pass      func(time.Duration)

	game    redpacket.GameID
	friends []model.MemberID
	turn    int
	seen    map[model.ID]bool // deliveries whose recipient has acted
	refused map[string]int    // of the game, by its words
	result  Rehearsal
}

// play lets the campaign run to its end.
func (s *stage) play(ctx context.Context) (Rehearsal, error) {
	began := time.Now()
	c := s.a.domains.campaign
	v, err := c.Version(ctx, s.id, s.version)
	if err != nil {
		return s.result, err
	}
	s.result = Rehearsal{Plan: v.Plan, Version: s.version, People: v.FrozenSize, Behaviour: s.behaviour}
	if v.State != campaign.Live {
		if _, err := c.Schedule(ctx, 0, s.id, s.version); err != nil {
			return s.result, err
		}
	}
	if err := s.table(ctx, v.Plan.Kit); err != nil {
		return s.result, err
	}
	over := v.Plan.EndsAt.Add(rehearsalGrace)
	for range maxRehearsed {
		if model.At(s.a.now()) > over {
			break
		}
		busy, ended, err := s.round(ctx)
		if err != nil {
			return s.result, err
		}
		s.told(model.At(s.a.now()), int(s.outside.count()))
		if ended {
			break
		}
		s.wait(ctx, busy)
	}
	if s.result.Progress, err = c.Progress(ctx, s.id); err != nil {
		return s.result, err
	}
	s.result.Took = time.Since(began)
	return s.result, s.tell(ctx)
}

// round is one instant: what the jobs and the workers do, and then the people.
func (s *stage) round(ctx context.Context) (busy int64, ended bool, err error) {
	c := s.a.domains.campaign
	sentBefore := s.outside.count()
	for _, run := range []func(context.Context) (int, error){c.Watch, c.Advance, c.Stage, c.Advance, s.a.domains.planner.SendDue} {
		if _, err := run(ctx); err != nil {
			return 0, false, err
		}
	}
	if s.outside.count() > sentBefore {
		if err := s.people(ctx); err != nil {
			return 0, false, err
		}
	}
	found, err := c.Get(ctx, s.id)
	if err != nil {
		return 0, false, err
	}
	tally, err := s.a.domains.planner.Tally(ctx, s.id)
	if err != nil {
		return 0, false, err
	}
	for _, t := range tally {
		if t.State == model.DeliveryPending || t.State == model.DeliverySending {
			busy += t.Count
		}
	}
	switch found.State {
	case campaign.Finished, campaign.Stopped, campaign.Paused:
		return busy, true, nil
	}
	return busy, false, nil
}

// wait passes the time until something may happen.
func (s *stage) wait(ctx context.Context, busy int64) {
	next := s.next(ctx)
	switch {
	case busy > 0 && next > canaryTick:
		if found, err := s.a.domains.campaign.Get(ctx, s.id); err == nil && found.State == campaign.Canary {
			s.pass(canaryTick)
			return
		}
		s.pass(min(next, busyTick))
	default:
		s.pass(max(min(next, 24*time.Hour), time.Minute))
	}
}

// next is how long it is until the next time of a step; an hour when a step waits for
// what happens, or for a winner.
func (s *stage) next(ctx context.Context) time.Duration {
	next, now := hourly, s.a.now()
	p, err := s.a.domains.campaign.Progress(ctx, s.id)
	if err != nil {
		return next
	}
	first := model.Millis(0)
	for i, w := range p.Next {
		if i < len(p.Version.Plan.Steps) && (p.Version.Plan.Steps[i].When.Kind == campaign.OnEvent || p.Version.Plan.Steps[i].Winner != nil) {
			return next
		}
		for _, at := range w.Next {
			if first == 0 || at < first {
				first = at
			}
		}
	}
	if first == 0 {
		return next
	}
	return first.Time().Sub(now) + time.Second
}
