package push

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"kaimenhong/model"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/push/internal/db"
)

// allowance is what is left of a channel's quota, over all replicas, at this moment.
// It is a guess by which a chunk is planned; commit takes from what is there.
type allowance struct {
	n     int64
	until model.Millis // when it is worth looking again, once n is 0
}

// span is the day and the minute of whose quota a call takes: an answer that comes when
// they are over says nothing of the ones that have begun.
type span struct {
	day    int32
	minute int64
}

// plenty stands for a channel without a limit.
const plenty = 1 << 40

// allowance reads the channel's row and lets a new day or minute begin. Neither goes
// back: a replica whose clock is behind counts in the day of the others.
func (p *Planner) allowance(ctx context.Context, c model.Channel, purpose model.Purpose) (allowance, error) {
	ticks, err := p.opts.Ticks(ctx)
	if err != nil {
		return allowance{}, err
	}
	today, minute := p.day(), int64(ticks)/time.Minute.Milliseconds()
	row, err := p.quotaRow(ctx, c, today, minute)
	if err != nil {
		return allowance{}, fmt.Errorf("read the quota of %s: %w", c, err)
	}
	a := allowance{until: p.now().Add(minutePause)}
	q := p.opts.Quota(c)
	day, perMinute := dayLimit(q, purpose, p.opts.Reserve), minuteLimit(q, row.MinuteCap)
	switch {
	case row.ShutDay >= row.Day, day-row.DayUsed <= 0:
		a.n, a.until = 0, p.tomorrow(row.Day)
	case row.ShutMinute >= row.Minute, perMinute-row.MinuteUsed <= 0:
		a.n = 0
	default:
		a.n = min(day-row.DayUsed, perMinute-row.MinuteUsed)
	}
	if morning, night := model.Night(a.until.Time(), p.opts.Zone, p.opts.QuietFrom, p.opts.QuietUntil); night && purpose == Marketing {
		a.until = morning // what ends before is sent another way
	}
	return a, nil
}

// minutePause is when a channel is looked at again whose minute is used up.
const minutePause = 10 * time.Second

// tomorrow is when the day after begins in the members' zone.
func (p *Planner) tomorrow(day int32) model.Millis {
	date := time.Unix(int64(day+1)*24*60*60, 0).UTC()
	return model.At(time.Date(date.Year(), date.Month(), date.Day(), 0, 0, 0, 0, p.opts.Zone))
}

// dayLimit keeps a part of the day from marketing.
func dayLimit(q Quota, purpose model.Purpose, reserve int) int64 {
	if q.Day == 0 {
		return plenty
	}
	if purpose == Marketing {
		return q.Day - q.Day*int64(reserve)/100
	}
	return q.Day
}

// minuteLimit is WeChat's limit or what it taught us today, whichever is less.
func minuteLimit(q Quota, learned int64) int64 {
	limit := int64(plenty)
	if q.Minute > 0 {
		limit = q.Minute
	}
	if learned > 0 {
		limit = min(limit, learned)
	}
	return limit
}

// quotaRow reads the row, which is made when it is missing.
func (p *Planner) quotaRow(ctx context.Context, c model.Channel, today int32, minute int64) (db.PushQuotum, error) {
	row, err := p.q.Quota(ctx, string(c))
	if errors.Is(err, sql.ErrNoRows) {
		if err := p.q.AddQuota(ctx, db.AddQuotaParams{Channel: string(c), Day: today, Minute: minute}); err != nil && !sqldb.Duplicate(err) {
			return row, err
		}
		row, err = p.q.Quota(ctx, string(c))
	}
	if err != nil {
		return row, err
	}
	if row.Day >= today && row.Minute >= minute {
		return row, nil
	}
	if err := p.q.NextQuotaDay(ctx, db.NextQuotaDayParams{Day: today, Channel: string(c), BeforeDay: today}); err != nil {
		return row, err
	}
	if err := p.q.NextQuotaMinute(ctx, db.NextQuotaMinuteParams{Minute: minute, Channel: string(c), BeforeMinute: minute}); err != nil {
		return row, err
	}
	return p.q.Quota(ctx, string(c))
}

// spend takes n calls from the channel's quota and answers of which day and minute, or
// fails with errRaced.
func (p *Planner) spend(ctx context.Context, q *db.Queries, c model.Channel, purpose model.Purpose, n int64) (span, error) {
	row, err := q.Quota(ctx, string(c))
	if err != nil {
		return span{}, err
	}
	limits := p.opts.Quota(c)
	hit, err := q.SpendQuota(ctx, db.SpendQuotaParams{
		N: n, Channel: string(c), Day: row.Day, Minute: row.Minute,
		DayMost: dayLimit(limits, purpose, p.opts.Reserve) - n, MinuteMost: minuteLimit(limits, row.MinuteCap) - n,
	})
	if err == nil && hit == 0 {
		err = errRaced
	}
	return span{row.Day, row.Minute}, err
}

// shut writes what WeChat said of its quotas, for all replicas. A minute that is over
// teaches nothing: how much was sent in it is known no more.
func (p *Planner) shut(ctx context.Context, q *db.Queries, c model.Channel, from span, day, minute bool) error {
	if day { // of one that is over it shuts nothing: the row's is later
		if err := q.ShutDay(ctx, db.ShutDayParams{Day: from.day, Channel: string(c), BeforeDay: from.day}); err != nil {
			return err
		}
	}
	if !minute {
		return nil
	}
	row, err := q.Quota(ctx, string(c))
	if err != nil || row.Minute != from.minute {
		return err
	}
	// Nine tenths of what was too much, for the rest of the day.
	learned := max(1, row.MinuteUsed*9/10)
	if row.MinuteCap > 0 {
		learned = min(learned, max(1, row.MinuteCap*9/10))
	}
	return q.ShutMinute(ctx, db.ShutMinuteParams{Minute: row.Minute, MinuteCap: learned, Channel: string(c), BeforeMinute: row.Minute})
}
