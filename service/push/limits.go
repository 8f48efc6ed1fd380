package push

import (
	"context"
	"fmt"
	"time"

	"kaimenhong/model"
	"kaimenhong/service/push/internal/db"
)

// Limits bound the messages of all campaigns together, beside what each plan says.
type Limits struct {
	Caps model.Caps // of one member, by day and week; 0 is no bound, Campaign is always 0
	// QuietFrom and QuietUntil are times since midnight in the members' zone.
	QuietFrom, QuietUntil time.Duration
	Channels              []ChannelLimit // each one that marketing or service can take
}

// ChannelLimit is what is left of a channel's quota today, over all replicas. A mass
// message is one call however many it reaches.
type ChannelLimit struct {
	Channel model.Channel
	Quota   Quota // a day and a minute; 0 is no limit
	Used    int64 // today
	Left    int64 // of today for marketing, which leaves Reserve of the day alone; 0 without a limit
	Reserve int64 // what is kept for service notices
	Learned int64 // fewer a minute, for WeChat said so today; 0: it did not
	Shut    bool  // WeChat said that today's is used up
}

// planned are the channels, in the order in which they are told of.
var planned = []model.Channel{model.CustomChannel, model.MiniChannel, model.OfficialChannel, model.TemplateChannel, model.MassChannel}

// Limits reads them. Errors: the database's.
func (p *Planner) Limits(ctx context.Context) (Limits, error) {
	rows, err := p.q.Quotas(ctx)
	if err != nil {
		return Limits{}, fmt.Errorf("read the quotas: %w", err)
	}
	used := map[model.Channel]db.PushQuotum{}
	for _, r := range rows {
		used[model.Channel(r.Channel)] = r
	}
	out := Limits{Caps: p.opts.Caps, QuietFrom: p.opts.QuietFrom, QuietUntil: p.opts.QuietUntil}
	for _, c := range planned {
		out.Channels = append(out.Channels, p.limit(c, used[c], p.day()))
	}
	return out, nil
}

// limit reads a row as the first message of today would find it.
func (p *Planner) limit(c model.Channel, row db.PushQuotum, today int32) ChannelLimit {
	if row.Day < today {
		row = db.PushQuotum{Day: today, ShutDay: row.ShutDay}
	}
	l := ChannelLimit{Channel: c, Quota: p.opts.Quota(c), Used: row.DayUsed, Learned: row.MinuteCap, Shut: row.ShutDay >= row.Day}
	if l.Quota.Day == 0 {
		return l
	}
	marketing := dayLimit(l.Quota, Marketing, p.opts.Reserve)
	l.Reserve = l.Quota.Day - marketing
	if !l.Shut {
		l.Left = max(0, marketing-l.Used)
	}
	return l
}
