package campaign

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math"

	"kaimenhong/model"
	"kaimenhong/model/fault"
	"kaimenhong/model/page"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/campaign/internal/db"
)

// The faults of rehearsals.
var (
	ErrNotFrozen    = fault.New(fault.Conflict, "campaign.not_frozen", "方案还没有提交审批，人群尚未冻结，不能预演")
	ErrRehearsing   = fault.New(fault.Conflict, "campaign.rehearsing", "这个活动正在预演，请等它结束")
	ErrNoRehearsal  = fault.New(fault.NotFound, "campaign.no_rehearsal", "没有这次预演")
	ErrRehearsed    = fault.New(fault.Conflict, "campaign.rehearsed", "这次预演已经结束，不用取消")
	ErrBehaviour    = fault.New(fault.Invalid, "campaign.behaviour", "行为假设应为0到100的百分数")
	ErrRehearseSize = fault.New(fault.Invalid, "campaign.rehearse_size", "人群太大，不能在服务进程里预演")
)

// maxRehearsed is how many people a rehearsal within a replica copies at most; more are
// rehearsed from the command line, on a machine that has time.
const maxRehearsed = 200_000

// keptRehearsals is how many of a campaign are kept, the newest.
const keptRehearsals = 20

// Behaviour is the assumption by which a rehearsal lets people act, in percent.
type Behaviour struct {
	Tap  int `json:"tap"`  // of those whom a message reached
	Open int `json:"open"` // of those who tapped: a pot
	Help int `json:"help"` // of the friends who are asked
}

// DefaultBehaviour is careful: most people do nothing.
var DefaultBehaviour = Behaviour{Tap: 12, Open: 30, Help: 85}

// Rehearsal is one run of a plan in a scratch copy.
type Rehearsal struct {
	ID        model.ID
	Campaign  model.ID
	Version   int
	State     RehearsalState
	Why       string // it failed, or was cut off
	Behaviour Behaviour
	StartedBy model.ID
	CreatedAt model.Millis
	BeganAt   model.Millis
	EndedAt   model.Millis
	ReachedAt model.Millis // of the virtual clock
	Messages  int64        // by then
	Result    *Rehearsed   // of one that is done, where it is asked for by its id
}

// RehearsalState is where a rehearsal stands.
type RehearsalState string

// The states of a rehearsal.
const (
	RehearsalWaiting   RehearsalState = "waiting"
	RehearsalRunning   RehearsalState = "running"
	RehearsalDone      RehearsalState = "done"
	RehearsalFailed    RehearsalState = "failed"    // the plan cannot run so
	RehearsalCut       RehearsalState = "cut"       // its replica ended first
	RehearsalCancelled RehearsalState = "cancelled" // by a person
)

// Rehearsed is what would happen. Lists are bounded so that it fits its row.
type Rehearsed struct {
	People   int64             `json:"people"`
	Holdout  int               `json:"holdout"`
	State    State             `json:"state"` // of the campaign in the end
	Why      string            `json:"why,omitempty"`
	Steps    []RehearsedStep   `json:"steps"`
	Outcomes []RehearsedTally  `json:"outcomes"`
	Hours    []RehearsedHour   `json:"hours"`
	Quotas   []RehearsedQuota  `json:"quotas"`
	Tapped   int               `json:"tapped"`
	Opened   int               `json:"opened"`
	Filled   int               `json:"filled"`
	Refused  []RehearsedReason `json:"refused"`
	Budget   []RehearsedPurse  `json:"budget"`
	TookMS   int64             `json:"tookMs"`
	// Shortened tells that lists were too long and entries were left out.
	Shortened bool `json:"shortened"`
}

// The parts of what would happen.
type (
	// RehearsedStep is one push.
	RehearsedStep struct {
		Name         string       `json:"name"`
		ScheduledFor model.Millis `json:"scheduledFor"`
		State        string       `json:"state"`
		People       int64        `json:"people"`
		Why          string       `json:"why,omitempty"`
	}
	// RehearsedTally is what would become of people, and why.
	RehearsedTally struct {
		Step    string              `json:"step"`
		Variant string              `json:"variant,omitempty"`
		Channel model.Channel       `json:"channel,omitempty"`
		State   model.DeliveryState `json:"state"`
		Why     string              `json:"why,omitempty"`
		Words   string              `json:"words"`
		People  int64               `json:"people"`
	}
	// RehearsedHour is how many messages an hour would see.
	RehearsedHour struct {
		At       model.Millis `json:"at"`
		Messages int          `json:"messages"`
	}
	// RehearsedQuota is what a day would use of WeChat's quota of a channel.
	RehearsedQuota struct {
		Day     string `json:"day"`
		Channel string `json:"channel"`
		Used    int    `json:"used"`
		Limit   int    `json:"limit"`
	}
	// RehearsedReason is how often the game would turn people down.
	RehearsedReason struct {
		Why   string `json:"why"`
		Times int    `json:"times"`
	}
	// RehearsedPurse is where the game's money would be.
	RehearsedPurse struct {
		At       model.Millis `json:"at"`
		Amount   model.Fen    `json:"amountFen"`
		Reserved model.Fen    `json:"reservedFen"`
		Spent    model.Fen    `json:"spentFen"`
	}
)

// maxResult is what the row takes, in bytes.
const maxResult = 60_000

// encode writes a result. One that is too long loses every other line of what goes over
// time, over and over, never the first and the last, and the tail of the other lists.
func (r Rehearsed) encode() (string, error) {
	for range 12 {
		text, err := json.Marshal(r)
		if err != nil || len(text) <= maxResult {
			return string(text), err
		}
		r.Shortened = true
		r.Hours, r.Budget, r.Quotas = thinned(r.Hours, 48), thinned(r.Budget, 48), thinned(r.Quotas, 48)
		r.Outcomes, r.Steps, r.Refused = cutTo(r.Outcomes, 80), cutTo(r.Steps, 50), cutTo(r.Refused, 30)
	}
	return "", fmt.Errorf("the result of a rehearsal does not fit into %d bytes", maxResult)
}

// thinned leaves every other one out, where there are more than least.
func thinned[T any](list []T, least int) []T {
	if len(list) <= least {
		return list
	}
	out := make([]T, 0, len(list)/2+2)
	for i, v := range list {
		if i%2 == 0 || i == len(list)-1 {
			out = append(out, v)
		}
	}
	return out
}

func cutTo[T any](list []T, most int) []T { return list[:min(len(list), most)] }

// StartRehearsal asks for a rehearsal of a version, which a replica runs soon. The
// oldest of the campaign beyond 20 are dropped.
//
// Errors: ErrVersion, ErrNotFrozen, ErrBehaviour, ErrRehearseSize, ErrRehearsing.
func (c *Campaigns) StartRehearsal(ctx context.Context, by, id model.ID, version int, b Behaviour) (Rehearsal, error) {
	v, err := c.Version(ctx, id, version)
	if err != nil {
		return Rehearsal{}, err
	}
	for _, n := range []int{b.Tap, b.Open, b.Help} {
		if n < 0 || n > 100 {
			return Rehearsal{}, ErrBehaviour
		}
	}
	switch {
	case v.Frozen == 0:
		return Rehearsal{}, ErrNotFrozen
	case v.FrozenSize > maxRehearsed:
		return Rehearsal{}, ErrRehearseSize.Saying("人群有%d人，超过%d人，请在空闲的机器上用命令行预演：kaimenhong rehearse %s", v.FrozenSize, maxRehearsed, id)
	}
	made := c.IDs.Next()
	err = sqldb.InTx(ctx, c.DB, func(tx *sql.Tx) error {
		q := c.q.WithTx(tx)
		err := q.InsertRehearsal(ctx, db.InsertRehearsalParams{
			ID: int64(made), CampaignID: int64(id), Version: int32(version), Tap: int32(b.Tap), OpenPot: int32(b.Open), Help: int32(b.Help),
			StartedBy: int64(by), Now: c.millis(),
		})
		if sqldb.Duplicate(err) {
			return ErrRehearsing
		}
		if err != nil {
			return err
		}
		old, err := q.RehearsalsBefore(ctx, db.RehearsalsBeforeParams{CampaignID: int64(id), Before: int64(made), Limit: keptRehearsals})
		if err != nil {
			return err
		}
		if len(old) == keptRehearsals {
			if err := q.DropRehearsals(ctx, db.DropRehearsalsParams{CampaignID: int64(id), Last: old[keptRehearsals-1].ID}); err != nil {
				return err
			}
		}
		return c.record(ctx, tx, by, "rehearse", id, inVersion{Version: version})
	})
	if err != nil {
		return Rehearsal{}, fmt.Errorf("start a rehearsal: %w", err)
	}
	return c.Rehearsal(ctx, made)
}

// Rehearsal reads one, with its result. Errors: ErrNoRehearsal.
func (c *Campaigns) Rehearsal(ctx context.Context, id model.ID) (Rehearsal, error) {
	r, err := c.q.Rehearsal(ctx, int64(id))
	if errors.Is(err, sql.ErrNoRows) {
		return Rehearsal{}, ErrNoRehearsal
	}
	if err != nil {
		return Rehearsal{}, fmt.Errorf("read a rehearsal: %w", err)
	}
	found := rehearsalOf(db.RehearsalsBeforeRow{
		ID: r.ID, CampaignID: r.CampaignID, Version: r.Version, State: r.State, Why: r.Why, Tap: r.Tap, OpenPot: r.OpenPot, Help: r.Help,
		StartedBy: r.StartedBy, CreatedAt: r.CreatedAt, BeganAt: r.BeganAt, EndedAt: r.EndedAt, ReachedAt: r.ReachedAt, Messages: r.Messages,
	})
	if r.Result == "" {
		return found, nil
	}
	if err := json.Unmarshal([]byte(r.Result), &found.Result); err != nil {
		return found, fmt.Errorf("read the result of rehearsal %s: %w", id, err)
	}
	return found, nil
}

// Rehearsals lists those of a campaign without their results, newest first; cursor is ""
// or the one that came with the page before. Errors: ErrUnknown, page.ErrCursor.
func (c *Campaigns) Rehearsals(ctx context.Context, id model.ID, cursor string, limit int) (list []Rehearsal, next string, err error) {
	if _, err := c.Get(ctx, id); err != nil {
		return nil, "", err
	}
	before, err := page.Before(cursor)
	if err != nil {
		return nil, "", err
	}
	size := page.Size(limit)
	rows, err := c.q.RehearsalsBefore(ctx, db.RehearsalsBeforeParams{CampaignID: int64(id), Before: before, Limit: size + 1})
	if err != nil {
		return nil, "", fmt.Errorf("list rehearsals: %w", err)
	}
	rows, next = page.Cut(rows, size, func(r db.RehearsalsBeforeRow) string { return page.Cursor(r.ID) })
	list = make([]Rehearsal, len(rows))
	for i, r := range rows {
		list[i] = rehearsalOf(r)
	}
	return list, next, nil
}

// LastRehearsal is the newest of a version, without its result; false when there is
// none.
func (c *Campaigns) LastRehearsal(ctx context.Context, id model.ID, version int) (Rehearsal, bool, error) {
	r, err := c.q.LastRehearsal(ctx, db.LastRehearsalParams{CampaignID: int64(id), Version: int32(min(version, math.MaxInt32))})
	if missing, err := none(err); missing || err != nil {
		return Rehearsal{}, false, err
	}
	return rehearsalOf(db.RehearsalsBeforeRow(r)), true, nil
}

func rehearsalOf(r db.RehearsalsBeforeRow) Rehearsal {
	return Rehearsal{
		ID: model.ID(r.ID), Campaign: model.ID(r.CampaignID), Version: int(r.Version), State: RehearsalState(r.State), Why: r.Why,
		Behaviour: Behaviour{int(r.Tap), int(r.OpenPot), int(r.Help)}, StartedBy: model.ID(r.StartedBy), CreatedAt: model.Millis(r.CreatedAt),
		BeganAt: model.Millis(r.BeganAt), EndedAt: model.Millis(r.EndedAt), ReachedAt: model.Millis(r.ReachedAt), Messages: r.Messages,
	}
}
