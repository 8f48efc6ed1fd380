package model

import "time"

// The night, in which marketing keeps quiet, since midnight of the member's zone.
const (
	NightFrom  = 21 * time.Hour
	NightUntil = 8 * time.Hour
)

// Night tells whether it is night in a zone, between from and until since midnight, and
// when that night ends.
func Night(now time.Time, zone *time.Location, from, until time.Duration) (end Millis, night bool) {
	year, month, day := now.In(zone).Date()
	midnight := time.Date(year, month, day, 0, 0, 0, 0, zone)
	switch since := now.Sub(midnight); {
	case since < until:
		return At(midnight.Add(until)), true
	case since >= from:
		return At(midnight.Add(24*time.Hour + until)), true
	}
	return 0, false
}
