package job_test

import (
	"testing"
	"time"

	"kaimenhong/job"
	"kaimenhong/model"
)

func TestTimesAreChinas(t *testing.T) {
	after := time.Date(2026, 2, 16, 17, 0, 0, 0, time.UTC) // the 17th in China
	for _, tt := range []struct{ spec, want string }{
		{"0 10 * * *", "2026-02-17 10:00"},
		{"30 0 * * 3", "2026-02-18 00:30"},
		{"0 0 29 2 *", "2028-02-29 00:00"},
		{"0 10 30 2 *", ""},
	} {
		next, err := job.Times(tt.spec)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if at := next(after); !at.IsZero() {
			got = at.In(model.Shanghai).Format("2006-01-02 15:04")
		}
		if got != tt.want {
			t.Errorf("%s after %s is %q, want %q", tt.spec, after, got, tt.want)
		}
	}
	for _, spec := range []string{"", "every day", "0 10 * *", "61 * * * *", "0 0 10 * * *"} {
		if _, err := job.Times(spec); err == nil {
			t.Errorf("Times(%q) = nil, want an error", spec)
		}
	}
}
