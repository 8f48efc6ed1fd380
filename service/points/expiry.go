package points

import (
	"errors"
	"time"

	"kaimenhong/model"
)

// Expiry is one of three policies; the zero value means that points never expire.
// Points are good until the last millisecond of a day in China.
type Expiry struct {
	Months   int          // rolling: the same day this many months later, or that month's last
	YearEnds int          // calendar: 31 December of this year (1), of the next (2) …
	On       model.Millis // fixed: the day on which this instant lies
}

// Delay is a number of whole days until earned points may be spent: from the
// first instant of that later day in China. 0: at once.
type Delay int

// never is the expiry of points that do not expire: 9999-12-31. It is shown as
// none.
const never model.Millis = 253402271999999

// The longest policies that make sense; they keep dates within range.
const (
	maxMonths   = 1200
	maxYearEnds = 100
)

func (e Expiry) valid() error {
	set := 0
	for _, is := range []bool{e.Months != 0, e.YearEnds != 0, e.On != 0} {
		if is {
			set++
		}
	}
	if set > 1 {
		return errors.New("an expiry is rolling months, a calendar year end or a fixed date, one of them")
	}
	if e.Months < 0 || e.Months > maxMonths || e.YearEnds < 0 || e.YearEnds > maxYearEnds || e.On < 0 || e.On > never {
		return errors.New("an expiry lies in the past or too far away")
	}
	return nil
}

// At is the last instant at which points that become active at from are good.
func (e Expiry) At(from model.Millis) model.Millis {
	t := from.Time()
	switch {
	case e.Months > 0:
		first := time.Date(t.Year(), t.Month()+time.Month(e.Months), 1, 0, 0, 0, 0, model.Shanghai)
		last := first.AddDate(0, 1, -1).Day()
		return endOfDay(first.AddDate(0, 0, min(t.Day(), last)-1))
	case e.YearEnds > 0:
		return endOfDay(time.Date(t.Year()+e.YearEnds-1, time.December, 31, 0, 0, 0, 0, model.Shanghai))
	case e.On > 0:
		return endOfDay(e.On.Time())
	}
	return never
}

// from is when points earned at t become active.
func (d Delay) from(t model.Millis) model.Millis {
	if d == 0 {
		return t
	}
	return model.At((model.DayOf(t.Time()) + model.Day(d)).Start())
}

func endOfDay(t time.Time) model.Millis {
	return model.At((model.DayOf(t) + 1).Start()) - 1
}

// shown is an expiry as others see it: 0 for never.
func shown(expires int64) model.Millis {
	if model.Millis(expires) >= never {
		return 0
	}
	return model.Millis(expires)
}
