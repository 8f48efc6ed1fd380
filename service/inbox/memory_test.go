package inbox_test

import (
	"testing"
	"time"

	"kaimenhong/model"
	"kaimenhong/service/inbox"
)

// flush empties Redis, and five seconds pass, after which WeChat tries again.
func (w *world) flush() {
	w.t.Helper()
	if err := w.redis.FlushDB(w.t.Context()).Err(); err != nil {
		w.t.Fatal(err)
	}
	w.clock.advance(5 * time.Second)
}

func (w *world) refresh(b *inbox.Inbox) {
	w.t.Helper()
	if err := b.Refresh(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

func TestARedisThatForgotIsToldAgainByThoseWhoKnow(t *testing.T) {
	stores(t, func(t *testing.T, w *world) {
		a := w.replica(inbox.Options{})
		in := w.said("answered", "CXLL")
		if _, err := a.Do(t.Context(), in, answers(model.Text("还剩 3GB"))); err != nil {
			t.Fatal(err)
		}
		w.refresh(a)
		w.flush()
		// The other replica waits for as long as it takes; when the first one has
		// looked, it gives its answer.
		b := w.replica(inbox.Options{Settle: time.Hour})
		second := make(chan error, 1)
		go func() {
			got, err := b.Do(within(t, 30*time.Second), in, never)
			if err == nil && got.Text != "还剩 3GB" {
				t.Errorf("the second try = %+v, want the first one's answer", got)
			}
			second <- err
		}()
		w.refresh(a)
		if err := <-second; err != nil {
			t.Errorf("the second try = %v", err)
		}
	})
}

func TestWhatRunsWhenRedisForgetsIsNotRunElsewhere(t *testing.T) {
	stores(t, func(t *testing.T, w *world) {
		a, b := w.replica(inbox.Options{Lease: time.Hour}), w.replica(inbox.Options{Settle: time.Hour})
		in := w.said("running", "CXLL")
		run, begun, quit := hangs(t)
		first := make(chan error, 1)
		go func() {
			_, err := a.Do(within(t, 30*time.Second), in, run)
			first <- err
		}()
		<-begun
		w.flush()
		second := make(chan model.Content, 1)
		go func() {
			got, err := b.Do(within(t, 30*time.Second), in, never)
			if err != nil {
				t.Errorf("the second try = %v", err)
			}
			second <- got
		}()
		w.refresh(a) // whether the other has claimed it already or not
		quit()
		if err := <-first; err != nil {
			t.Fatal(err)
		}
		if got := <-second; got.Text != "from the grave" {
			t.Errorf("the second try = %+v, want the first one's answer", got)
		}
	})
}

func TestNobodyIsWaitedForWhenRedisRemembers(t *testing.T) {
	stores(t, func(t *testing.T, w *world) {
		b := w.replica(inbox.Options{Settle: 20 * time.Millisecond})
		in := w.said("lonely", "CXLL")
		w.flush()
		if got, err := b.Do(t.Context(), in, answers(model.Text("还剩 3GB"))); err != nil || got.Text != "还剩 3GB" {
			t.Errorf("a try that nobody else knows of = %+v, %v, want it run", got, err)
		}
	})
}
