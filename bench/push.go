package main

import (
	"context"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"kaimenhong/model"
	"kaimenhong/model/redisdb"
	"kaimenhong/model/seal"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/member"
	"kaimenhong/service/push"
	"kaimenhong/service/wechat"
)

// pushRows is how many recipients are very many; the goal is meant for 1,000,000.
var pushRows = flag.Int("push-rows", 100_000, "recipients of the large push; the goal is meant for 1000000")

const (
	pushFew     = 10_000 // recipients that they are compared with
	pushCalls   = 64     // workers on either side
	pushNotices = 12     // that each follower allowed
)

// senders is what pushes stand on in the bench: real stores, members and client; the
// material is one notice with three fields.
type senders struct {
	db     *sql.DB
	redis  redis.UniversalClient
	world  *outsideWorld
	people []model.MemberID
	next   model.ID // of a dispatch
	close  func()
}

func (s *senders) FrozenMembers(_ context.Context, n model.ID, after model.MemberID, limit int) ([]model.MemberID, error) {
	from := int(after)
	return s.people[from:min(int(n), from+limit)], nil
}

// Persons are who they were frozen as.
func (s *senders) Persons(_ context.Context, _ []model.ID, ids []model.MemberID) ([]model.Person, error) {
	people := make([]model.Person, len(ids))
	for i, id := range ids {
		people[i].Now = id
	}
	return people, nil
}

func (s *senders) Render(_ context.Context, _ model.ID, members []model.MemberID) ([]model.Message, []error) {
	out := make([]model.Message, len(members))
	for i := range out {
		out[i] = model.Message{Template: noticeTemplate(), Data: noticeFields, Page: "pages/index", URL: "pages/index"}
	}
	return out, make([]error, len(members))
}

// noonOf is a clock that began at noon, for marketing keeps quiet at night.
func noonOf(began time.Time) model.Clock {
	noon := model.DayOf(began).Start().Add(12 * time.Hour)
	return func() time.Time { return noon.Add(time.Since(began)) }
}

func newSenders(ctx context.Context, job pretend) (*senders, error) {
	addr := os.Getenv("KMH_TEST_REDIS_ADDR")
	if addr == "" {
		return nil, errStores
	}
	db, drop, err := audienceDB(ctx)
	if err != nil {
		return nil, err
	}
	rdb, err := redisdb.Open(ctx, redisdb.Options{Addrs: []string{addr}, DB: benchDB})
	if err != nil {
		drop()
		return nil, err
	}
	world, err := newOutside(ctx, job)
	if err != nil {
		drop()
		return nil, err
	}
	s := &senders{db: db, redis: rdb, world: world, close: func() {
		world.stop()
		_ = rdb.FlushDB(context.Background()).Err()
		_ = rdb.Close()
		drop()
	}}
	if err := errors.Join(rdb.FlushDB(ctx).Err(), s.fill(ctx)); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// fill makes the followers members who agreed to marketing and allowed the notice.
func (s *senders) fill(ctx context.Context) error {
	const part = 2000
	for from := 0; from < len(s.world.users); from += part {
		var members, identities, consents, rights []string
		for i := from; i < min(len(s.world.users), from+part); i++ {
			id := i + 1
			s.people = append(s.people, model.MemberID(id))
			members = append(members, fmt.Sprintf("(%d, 0, '', TRUE, 0, 0, 0, 0, 1)", id))
			identities = append(identities, fmt.Sprintf("('official_account', '%s', %d, '', 1)", s.world.users[i], id))
			consents = append(consents, fmt.Sprintf("(%d, 'marketing', 1, TRUE, 1)", id))
			rights = append(rights, fmt.Sprintf("(%d, %d, 'official', '%s', 'bench', 1, 0, %d)", id, id, noticeTemplate(), pushNotices))
		}
		for _, insert := range []string{
			"member (id, version, source, follows, follow_changed_at, merged_into, merged_at, closed_at, joined_at) VALUES " + strings.Join(members, ","),
			"member_identity (app, openid, member_id, unionid, created_at) VALUES " + strings.Join(identities, ","),
			"member_consent (member_id, purpose, version, granted, changed_at) VALUES " + strings.Join(consents, ","),
			"push_entitlement (id, member_id, channel, template, source, granted_at, expires_at, remaining) VALUES " + strings.Join(rights, ","),
		} {
			if _, err := s.db.ExecContext(ctx, "INSERT INTO "+insert); err != nil {
				return err
			}
		}
	}
	// What the product reads from its stores is not held here while its heap is watched.
	s.world.users = slices.Clone(s.world.users[:min(len(s.world.users), pushFew)])
	return nil
}

// replica is one process' planner with a client and members of its own.
func (s *senders) replica(ctx context.Context) (*push.Planner, error) {
	now := noonOf(time.Now())
	node, err := sqldb.Node(ctx, s.db)
	if err != nil {
		return nil, err
	}
	ids, err := model.NewIDs(node, now)
	if err != nil {
		return nil, err
	}
	log, reg := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})), prometheus.NewRegistry()
	client, err := wechat.NewClient(wechat.Account{AppID: benchApp, Secret: benchSecret}, wechat.Account{}, s.redis, time.Now, log, reg, wechat.Options{BaseURL: s.world.url})
	if err != nil {
		return nil, err
	}
	sealer, err := seal.New(map[int][]byte{1: make([]byte, seal.KeySize)}, nil)
	if err != nil {
		return nil, err
	}
	people, err := member.New(member.Deps{DB: s.db, Redis: s.redis, Sealer: sealer, IDs: ids, Now: now, Log: log, Metrics: reg}, member.Options{})
	if err != nil {
		return nil, err
	}
	return push.NewPlanner(push.PlannerNeeds{
		SQL: s.db, Redis: s.redis, Audience: s, Material: s, People: people, Sender: client, Broadcaster: client,
		TapKey: make([]byte, 32), IDs: ids, Now: now, Log: log, Metrics: reg,
	}, push.PlannerOptions{Calls: pushCalls, Quotas: map[model.Channel]push.Quota{model.OfficialChannel: {Day: 1 << 40}}}), nil
}

// stage makes the rows of a push to the first n members.
func (s *senders) stage(ctx context.Context, p *push.Planner, n int) error {
	s.next++
	at := model.At(noonOf(time.Now())())
	_, err := p.Stage(ctx, model.Dispatch{
		ID: s.next, Campaign: s.next, Step: 1, Frozen: model.ID(n), Purpose: model.Marketing,
		Variants: []model.Variant{{Name: "A", Share: 10_000, Ways: []model.Way{{Channel: model.OfficialChannel, Material: 1}}}},
		StartsAt: at, EndsAt: at.Add(8 * time.Hour), Caps: model.Caps{Day: 1000},
	})
	return err
}

// replicas are so many planners.
func (s *senders) replicas(ctx context.Context, n int) ([]*push.Planner, error) {
	planners := make([]*push.Planner, n)
	for i := range planners {
		var err error
		if planners[i], err = s.replica(ctx); err != nil {
			return nil, err
		}
	}
	return planners, nil
}

// send stages a push to the first n members and lets the planners send it.
func (s *senders) send(ctx context.Context, n int, replicas int) (time.Duration, error) {
	planners, err := s.replicas(ctx, replicas)
	if err != nil {
		return 0, err
	}
	if err := s.stage(ctx, planners[0], n); err != nil {
		return 0, err
	}
	running, stop := context.WithCancel(ctx)
	var crew sync.WaitGroup
	began := time.Now()
	for _, p := range planners {
		crew.Go(func() { p.Run(running) })
	}
	took, err := s.wait(ctx, began)
	stop()
	crew.Wait()
	if err != nil {
		return 0, err
	}
	var sent int
	err = s.db.QueryRowContext(ctx, "SELECT COUNT(*) FROM push_delivery WHERE dispatch_id = ? AND state = 'sent'", int64(s.next)).Scan(&sent)
	if err == nil && sent != n {
		err = fmt.Errorf("%d of %d were sent", sent, n)
	}
	return took, err
}

// wait looks until no shard is open.
func (s *senders) wait(ctx context.Context, began time.Time) (time.Duration, error) {
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for {
		var open int
		err := s.db.QueryRowContext(ctx, "SELECT COUNT(*) FROM push_shard WHERE dispatch_id = ? AND state = 'open'", int64(s.next)).Scan(&open)
		if err != nil || open == 0 {
			return time.Since(began), err
		}
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-ticker.C:
		}
	}
}

// measurePush sends few and many beside a bare loop.
func measurePush(e env) ([]Figure, error) {
	ctx := context.Background()
	s, err := newSenders(ctx, pretend{Users: max(*pushRows, pushFew), Notices: pushNotices})
	if err != nil {
		return nil, err
	}
	defer s.close()
	var ours, peer time.Duration
	for round := range 4 { // the first warms both up
		b, err := s.world.bare(pushFew, pushCalls)
		if err != nil {
			return nil, fmt.Errorf("the bare loop: %w", err)
		}
		o, err := s.send(ctx, pushFew, 1)
		if err != nil {
			return nil, err
		}
		if round > 0 {
			ours, peer = ours+o, peer+b
		}
		fmt.Fprintf(e.log, "push.send: bare loop %v, ours %v for %d\n", b, o, pushFew)
	}
	peak := watchHeap()
	many, err := s.send(ctx, *pushRows, 1)
	heap := peak()
	if err != nil {
		return nil, err
	}
	few, rounds := ours.Seconds()/3/pushFew, 3*float64(pushFew)
	return []Figure{
		against("push.send", "messages/s", rounds/ours.Seconds(), "bare net/http loop", rounds/peer.Seconds(), "≥", 0.75),
		against(fmt.Sprintf("push.send.%d", *pushRows), "µs a message", many.Seconds()/float64(*pushRows)*1e6, fmt.Sprintf("of %d", pushFew), few*1e6, "≤", 1.1),
		atMost("push.send.heap", "MB of heap at the peak", heap, 200),
	}, nil
}

// measurePushReplicas sends with one replica and with two where WeChat takes 50 ms.
func measurePushReplicas(e env) ([]Figure, error) {
	ctx := context.Background()
	s, err := newSenders(ctx, pretend{Users: pushFew, Notices: pushNotices, DelayMS: 50})
	if err != nil {
		return nil, err
	}
	defer s.close()
	bare, err := s.world.bare(pushFew, pushCalls)
	if err != nil {
		return nil, fmt.Errorf("the bare loop: %w", err)
	}
	took := map[int]time.Duration{}
	for _, replicas := range []int{1, 2, 2, 1} {
		d, err := s.send(ctx, pushFew, replicas)
		if err != nil {
			return nil, err
		}
		took[replicas] += d
		fmt.Fprintf(e.log, "push.replicas: %d with 50 ms a call: %v for %d\n", replicas, d, pushFew)
	}
	rate := func(n int) float64 { return 2 * pushFew / took[n].Seconds() }
	return []Figure{
		against("push.send.50ms", "messages/s", rate(1), "bare net/http loop", pushFew/bare.Seconds(), "≥", 0.75),
		against("push.replicas", "messages/s of two", rate(2), "of one", rate(1), "≥", 1.7),
	}, nil
}
