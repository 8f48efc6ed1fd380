package account_test

import (
	"database/sql"
	"errors"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"kaimenhong/model"
	"kaimenhong/service/account"
)

const day = 24 * time.Hour

// seen lets a replica see the carrier's word once, so many days after the first, and
// waits until it is kept.
func seen(t *testing.T, db *sql.DB, client redis.UniversalClient, days int, used int64) {
	t.Helper()
	r := newRig(t, db, client, account.Options{})
	r.clock.move(time.Duration(days) * day)
	r.carrier.used.Store(used)
	if _, err := r.Usage(t.Context(), number(t)); err != nil {
		t.Fatal(err)
	}
	r.stop()
}

func TestADaysUsageIsWhatWasAddedSinceTheDayBefore(t *testing.T) {
	engines(t, func(t *testing.T, db *sql.DB, client redis.UniversalClient) {
		seen(t, db, client, 0, 100)
		seen(t, db, client, 1, 350)
		seen(t, db, client, 1, 400) // the day's last word
		// Nobody looked on day 2.
		seen(t, db, client, 3, 900)
		seen(t, db, client, 4, 880) // the carrier corrects itself
		r := newRig(t, db, client, account.Options{})
		r.clock.move(5 * day)
		r.carrier.used.Store(1000)
		days, err := r.UsageDays(t.Context(), number(t), 6)
		if err != nil || len(days) != 6 {
			t.Fatalf("UsageDays = %+v, %v, want six days", days, err)
		}
		today := model.DayOf(r.clock.now())
		for i, want := range []struct {
			known bool
			data  int64
		}{{false, 0}, {true, 300}, {false, 0}, {false, 0}, {true, 0}, {true, 120}} {
			got := days[i]
			if got.Day != today-5+model.Day(i) || got.Known != want.known || got.Data != want.data {
				t.Errorf("day %d is %+v, want known %v with %d bytes", i, got, want.known, want.data)
			}
		}
	})
}

func TestWhileTheCarrierIsDownTodayIsNotKnown(t *testing.T) {
	engines(t, func(t *testing.T, db *sql.DB, client redis.UniversalClient) {
		seen(t, db, client, 0, 100)
		r := newRig(t, db, client, account.Options{})
		r.clock.move(day)
		r.carrier.set(0, down)
		days, err := r.UsageDays(t.Context(), number(t), 2)
		if err != nil || len(days) != 2 || days[0].Known || days[1].Known {
			t.Errorf("UsageDays = %+v, %v, want two days of which nothing is known", days, err)
		}
	})
}

func TestDaysOutOfRangeAreRefused(t *testing.T) {
	engines(t, func(t *testing.T, db *sql.DB, client redis.UniversalClient) {
		r := newRig(t, db, client, account.Options{})
		for _, n := range []int{-1, 0, account.MaxDays + 1} {
			if _, err := r.UsageDays(t.Context(), number(t), n); !errors.Is(err, account.ErrDays) {
				t.Errorf("%d days = %v, want %v", n, err, account.ErrDays)
			}
		}
		if _, err := r.UsageDays(t.Context(), model.Phone{}, 7); !errors.Is(err, account.ErrNoPhone) {
			t.Errorf("without a number = %v, want %v", err, account.ErrNoPhone)
		}
	})
}
