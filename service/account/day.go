package account

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"

	"kaimenhong/model"
	"kaimenhong/model/fault"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/account/internal/db"
)

// MaxDays is how many days of usage are kept and shown at most.
const MaxDays = 92

// ErrDays is returned for a number of days that is not within 1…MaxDays.
var ErrDays = fault.New(fault.Invalid, "account.days", "天数应在1到92之间")

// sampled are the allowances as the carrier said them last on a day.
type sampled struct {
	Day        model.Day
	At         model.Millis
	Allowances []sampledAllowance
}

// sampledAllowance is known from one sample to the next by kind, name and end: a new
// cycle of the same plan ends later and so is another.
type sampledAllowance struct {
	Kind  model.AllowanceKind `json:"kind"`
	Name  string              `json:"name"`
	Until model.Millis        `json:"until"`
	Used  int64               `json:"used"`
}

func sampleOf(u model.Usage) sampled {
	s := sampled{Day: model.DayOf(u.AsOf.Time()), At: u.AsOf}
	for _, a := range u.Allowances {
		s.Allowances = append(s.Allowances, sampledAllowance{a.Kind, a.Name, a.ValidUntil, a.Used})
	}
	return s
}

// sampleDay keeps what the carrier said as that day's last word.
func (w *writer) sampleDay(ctx context.Context, key string, u model.Usage) error {
	s := sampleOf(u)
	plain, err := json.Marshal(s.Allowances)
	if err != nil {
		return fmt.Errorf("write a day's usage: %w", err)
	}
	sealed := base64.RawStdEncoding.EncodeToString(w.service.sealer.Seal(plain, dayBinding(key, s.Day)))
	if len(sealed) > maxSealed {
		return fmt.Errorf("a day's usage of %d bytes does not fit", len(sealed))
	}
	q := w.service.queries
	n, err := q.ReplaceDay(ctx, db.ReplaceDayParams{Sealed: sealed, SampledAt: int64(s.At), PhoneKey: key, Day: int32(s.Day), NotAfter: int64(s.At)})
	if err == nil && n == 0 {
		err = q.InsertDay(ctx, db.InsertDayParams{PhoneKey: key, Day: int32(s.Day), Sealed: sealed, SampledAt: int64(s.At)})
		if sqldb.Duplicate(err) {
			return nil
		}
	}
	if err != nil {
		return fmt.Errorf("keep a day's usage: %w", err)
	}
	return nil
}

func dayBinding(key string, day model.Day) []byte {
	return fmt.Appendf(nil, "account_usage_day:%d:%s", day, key)
}

// UsageDays is what the number used on each of the last days, oldest first and today
// last, as far as samples tell: a day is known when it and the day before were
// sampled. The carrier is asked for today's; when it does not answer, what was
// sampled before is shown.
//
// Errors: ErrNoPhone, ErrDays, the store's.
func (s *Service) UsageDays(ctx context.Context, phone model.Phone, days int) ([]model.UsageDay, error) {
	switch {
	case phone.IsZero():
		return nil, ErrNoPhone
	case days < 1 || days > MaxDays:
		return nil, ErrDays
	}
	today := model.DayOf(s.now())
	first := today - model.Day(days) + 1
	samples, err := s.samples(ctx, s.index(phone), first-1)
	if err != nil {
		return nil, err
	}
	if usage, err := s.Usage(ctx, phone); err == nil && !usage.Stale { // the writer may not have got there yet
		if now := sampleOf(usage); now.At >= samples[now.Day].At {
			samples[now.Day] = now
		}
	}
	out := make([]model.UsageDay, 0, days)
	for day := first; day <= today; day++ {
		out = append(out, spent(day, samples))
	}
	return out, nil
}

// samples reads the days from since on.
func (s *Service) samples(ctx context.Context, key string, since model.Day) (map[model.Day]sampled, error) {
	rows, err := s.queries.Days(ctx, db.DaysParams{PhoneKey: key, Since: int32(since), Limit: MaxDays + 2})
	if err != nil {
		return nil, fmt.Errorf("read days of usage: %w", err)
	}
	out := make(map[model.Day]sampled, len(rows)+1)
	for _, row := range rows {
		d := sampled{Day: model.Day(row.Day), At: model.Millis(row.SampledAt)}
		raw, err := base64.RawStdEncoding.DecodeString(row.Sealed)
		if err == nil {
			raw, err = s.sealer.Open(raw, dayBinding(key, d.Day))
		}
		if err == nil {
			err = json.Unmarshal(raw, &d.Allowances)
		}
		if err != nil {
			return nil, fmt.Errorf("open a day of usage: %w", err)
		}
		out[d.Day] = d
	}
	return out, nil
}

// spent is what was added on the day to every allowance since the sample of the day
// before. An allowance that was not there then began since, from nothing.
func spent(day model.Day, samples map[model.Day]sampled) model.UsageDay {
	u := model.UsageDay{Day: day}
	before, ok1 := samples[day-1]
	now, ok2 := samples[day]
	if !ok1 || !ok2 {
		return u
	}
	u.Known, u.From, u.Until = true, before.At, now.At
	type name struct {
		kind  model.AllowanceKind
		name  string
		until model.Millis
	}
	was := map[name]int64{}
	for _, a := range before.Allowances {
		was[name{a.Kind, a.Name, a.Until}] += a.Used
	}
	used := map[name]int64{}
	for _, a := range now.Allowances {
		used[name{a.Kind, a.Name, a.Until}] += a.Used
	}
	for n, total := range used {
		added := max(0, total-was[n]) // the carrier may correct itself; nobody uses less than nothing
		switch n.kind {
		case model.Data:
			u.Data += added
		case model.Voice:
			u.Voice += added
		case model.SMS:
			u.SMS += added
		}
	}
	return u
}

// pruneDays deletes days that are too old to be shown, at most limit rows.
func (s *Service) pruneDays(ctx context.Context, limit int) (int, error) {
	rows, err := s.queries.OldDays(ctx, db.OldDaysParams{Before: int32(model.DayOf(s.now()) - MaxDays - 1), Limit: int32(limit)})
	if err != nil {
		return 0, fmt.Errorf("find old days of usage: %w", err)
	}
	keys := map[int32][]string{}
	for _, row := range rows {
		keys[row.Day] = append(keys[row.Day], row.PhoneKey)
	}
	for day, of := range keys {
		if _, err := s.queries.DeleteDays(ctx, db.DeleteDaysParams{PhoneKeys: of, Day: day}); err != nil {
			return 0, fmt.Errorf("prune days of usage: %w", err)
		}
	}
	return len(rows), nil
}
