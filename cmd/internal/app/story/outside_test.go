package story_test

import (
	"strings"
	"testing"
	"time"

	"kaimenhong/cmd/internal/app/story"
	"kaimenhong/sandbox/faults"
)

// slow is a carrier that answers after WeChat has given up waiting.
var slow = faults.Fault{Kind: faults.Delay, DelayMS: 5500}

func TestASlowCarrierIsAnsweredInTimeAndOnceMoreLater(t *testing.T) {
	story.Everywhere(t, func(t *testing.T, s story.Stores) {
		w := story.Begin(t, s)
		r := w.Replica()
		zhang := w.Person("ordinary").Bound()
		w.Fault("carrier.bucket", slow)
		seen := w.Seen()
		zhang.Says("查话费").HearsNothing()
		tries := w.Callbacks(seen)
		if len(tries) != 1 || tries[0].AnswerPlain != "success" || tries[0].Status != 200 {
			t.Errorf("WeChat called %d times and got %+v, want one success within 5 s", len(tries), tries)
		}
		zhang.HearsLater("话费余额 " + zhang.Balance()).Hears("话费余额 ")
		w.Until("the delivery is counted", func() bool { return r.Metric("inbox_deliveries_total", `state="sent"`) == 1 })
		w.Fault("carrier.bucket")
		zhang.Says("查话费").Hears("话费余额 " + zhang.Balance())
	})
}

func TestACarrierThatIsDownIsSaidPlainly(t *testing.T) {
	story.Everywhere(t, func(t *testing.T, s story.Stores) {
		w := story.Begin(t, s)
		w.Replica()
		zhang, li := w.Person("ordinary").Bound(), w.Person("low_balance").Bound()
		zhang.Says("查话费").Hears("话费余额 " + zhang.Balance())
		last := zhang.Balance()
		w.Passes(5 * time.Minute)
		w.Fault("carrier", faults.Fault{Kind: faults.Status, Status: 503})
		zhang.Says("查话费").Hears("运营商系统暂时没有应答", "截至 ", "话费余额 "+last)
		li.Says("查话费").Hears("运营商系统暂时没有回应，请稍后再试") // nothing is known of him
		w.Fault("carrier")
		w.Passes(10 * time.Second)
		w.Until("the carrier is asked again", func() bool {
			zhang.Says("查话费")
			return !strings.Contains(zhang.Heard()[0].Text, "没有应答")
		})
		zhang.Hears("话费余额 " + zhang.Balance())
	})
}

func TestATokenThatWeChatDropsCostsNoMessage(t *testing.T) {
	story.Everywhere(t, func(t *testing.T, s story.Stores) {
		w := story.Begin(t, s)
		r := w.Replica().Publishes() // a token is in use
		zhang := w.Person("ordinary").Bound()
		w.Fault("carrier.bucket", slow)
		zhang.Says("查话费").HearsNothing()
		w.Sandbox.WeChat.ExpireTokens() // 40001 for what comes now
		zhang.HearsLater("话费余额 " + zhang.Balance()).Hears("话费余额")
		if n := r.Metric("wechat_tokens_total", `result="refused"`); n != 1 {
			t.Errorf("%v tokens are counted as refused, want the one that WeChat refused", n)
		}
	})
}

func TestAMessageThatMayHaveBeenSentIsNotSentAgain(t *testing.T) {
	story.Everywhere(t, func(t *testing.T, s story.Stores) {
		w := story.Begin(t, s)
		r := w.Replica()
		zhang := w.Person("ordinary").Bound()
		w.Fault("carrier.bucket", slow)
		w.Fault("wechat.custom_send", faults.Fault{Kind: faults.Cut})
		zhang.Says("查话费").HearsNothing()
		zhang.HearsLater("话费余额 " + zhang.Balance())
		w.Until("its outcome is counted as unknown", func() bool { return r.Metric("inbox_deliveries_total", `state="unknown"`) == 1 })
		w.Passes(5 * time.Minute) // every lease has ended
		w.Until("the job looked for what is due", func() bool {
			return r.Metric("job_runs_total", `job="inbox-deliver"`, `outcome="done"`) > 3
		})
		zhang.Hears("话费余额")
	})
}

func TestAStopLosesNothingThatWasBegun(t *testing.T) {
	story.Everywhere(t, func(t *testing.T, s story.Stores) {
		w := story.Begin(t, s)
		r := w.Replica()
		zhang := w.Person("ordinary").Bound()
		w.Fault("carrier.bucket", slow)
		zhang.Begins("查话费")
		w.Until("the carrier is being asked", func() bool { return w.Begun("/bucket") > 0 })
		r.Stop()
		zhang.HearsLater("话费余额 " + zhang.Balance()).Hears("话费余额")
	})
}

func TestAPanicEndsNothing(t *testing.T) {
	w := story.Begin(t, story.Embedded(t))
	r := w.Replica()
	w.Logs.Forgives("panic")
	zhang := w.Person("ordinary").Bound()
	w.PanicIn("kaimenhong/service/chat.(*Chat).clock", "kaimenhong/service/chat.(*Chat).asOf")
	zhang.Says("查话费").HearsNothing() // success: a retry would meet the panic again
	if n := r.Metric("inbox_panics_total"); n != 1 {
		t.Errorf("%v panics are counted, want 1", n)
	}
	w.PanicIn()
	zhang.Says("查话费").Hears("话费余额 " + zhang.Balance())
}
