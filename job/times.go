package job

import (
	"fmt"
	"time"

	"github.com/robfig/cron/v3"

	"kaimenhong/model"
)

// Times reads a cron expression of five fields (minute, hour, day, month, weekday) in
// China's time: it answers the first instant after another, the zero time when there
// is none within five years. Domains know no scheduler; they are given this.
func Times(spec string) (next func(after time.Time) time.Time, err error) {
	schedule, err := cron.NewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow).Parse(spec)
	if err != nil {
		return nil, fmt.Errorf("read the times %q: %w", spec, err)
	}
	return func(after time.Time) time.Time { return schedule.Next(after.In(model.Shanghai)) }, nil
}
