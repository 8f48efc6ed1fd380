package story_test

import (
	"reflect"
	"testing"
	"time"

	"kaimenhong/cmd/internal/app/story"
	"kaimenhong/sandbox"
	"kaimenhong/sandbox/wechat"
)

func TestWhatWeChatNeverSaysIsRefusedAndChangesNothing(t *testing.T) {
	for _, mode := range []wechat.Mode{wechat.Plain, wechat.Compatible, wechat.Safe} {
		t.Run(string(mode), func(t *testing.T) {
			story.Everywhere(t, func(t *testing.T, s story.Stores) {
				w := story.Begin(t, s, func(o *sandbox.Options) { o.Mode = mode })
				r := w.Replica()
				zhang := w.Person("ordinary").Bound()
				w.Settle()
				before, refused := w.Books(), 0
				for _, trick := range wechat.Forgeries {
					answer, err := w.Sandbox.WeChat.Forge(t.Context(), zhang.ID, trick, "解绑")
					if err != nil {
						continue // a trick that this mode has no use for
					}
					refused++
					if answer.Status < 400 || answer.Status > 499 || answer.Body != "" {
						t.Errorf("%s is answered %d %q, want a 4xx without a body", trick, answer.Status, answer.Body)
					}
				}
				if n := r.Metric("callbacks_total", `type="none"`); int(n) != refused || refused < 8 {
					t.Errorf("%v refusals are counted of %d", n, refused)
				}
				if after := w.Books(); !reflect.DeepEqual(before, after) {
					t.Errorf("the books changed:\n%v\nwas\n%v", after, before)
				}
				zhang.Says("查话费").Hears("话费余额 " + zhang.Balance())
			})
		})
	}
}

func TestAReplayIsARepeatAtFirstAndAForgeryLater(t *testing.T) {
	story.Everywhere(t, func(t *testing.T, s story.Stores) {
		w := story.Begin(t, s)
		r := w.Replica()
		zhang := w.Person("ordinary").Bound()
		seen := w.Seen()
		zhang.Says("意见反馈").Hears("意见")
		zhang.Says("排队太久了").Hears("记下")
		calls := w.Callbacks(seen)
		w.Settle()
		before := w.Books()
		for _, call := range calls {
			answer, err := w.Sandbox.WeChat.Replay(t.Context(), call.Seq)
			if err != nil || answer.Status != 200 {
				t.Errorf("a repeat is answered %d, %v, want what the first try was", answer.Status, err)
			}
		}
		if after := w.Books(); !reflect.DeepEqual(before, after) {
			t.Errorf("the books changed:\n%v\nwas\n%v", after, before)
		}
		w.Passes(6 * time.Minute)
		for _, call := range calls {
			answer, err := w.Sandbox.WeChat.Replay(t.Context(), call.Seq)
			if err != nil || answer.Status != 403 || answer.Body != "" {
				t.Errorf("a replay is answered %d %q, %v, want 403 without a body", answer.Status, answer.Body, err)
			}
		}
		if n := r.Metric("callbacks_total", `outcome="stale"`); int(n) != len(calls) {
			t.Errorf("%v stale calls are counted, want %d", n, len(calls))
		}
	})
}

func TestTheConsoleIsAnswered(t *testing.T) {
	w := story.Begin(t, story.Embedded(t))
	w.Replica()
	if err := w.Sandbox.WeChat.Verify(t.Context()); err != nil {
		t.Errorf("Verify = %v, want nil", err)
	}
}
