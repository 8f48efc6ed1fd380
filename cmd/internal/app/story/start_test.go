package story

import (
	"testing"
	"time"

	"kaimenhong/model"
)

func TestNoStoryMeetsMidnightUnasked(t *testing.T) {
	for _, tt := range []struct{ now, begins string }{
		{"2026-11-23 12:00:00", "2026-11-23 12:00:00"},
		{"2026-11-23 23:49:59", "2026-11-23 23:49:59"},
		{"2026-11-23 23:50:00", "2026-11-24 00:00:01"},
		{"2026-12-31 23:59:59", "2027-01-01 00:00:01"},
		{"2026-11-24 00:00:00", "2026-11-24 00:00:00"},
	} {
		now, err := time.ParseInLocation(time.DateTime, tt.now, model.Shanghai)
		if err != nil {
			t.Fatal(err)
		}
		if got := now.Add(start(now.UTC())).Format(time.DateTime); got != tt.begins {
			t.Errorf("a story of %s begins at %s, want %s", tt.now, got, tt.begins)
		}
	}
}
