package story_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"kaimenhong/cmd/internal/app/story"
	"kaimenhong/model/dbtest"
	"kaimenhong/model/redisdb"
	"kaimenhong/sandbox/wechat"

	"github.com/redis/go-redis/v9"
)

// chaos makes the sender misbehave.
func chaos(t *testing.T, w *story.World, c wechat.Chaos) {
	t.Helper()
	if err := w.Sandbox.WeChat.SetChaos(c); err != nil {
		t.Fatal(err)
	}
}

// contents are what the tries were answered, each once.
func contents(tries []wechat.Exchange) (all []string) {
	for _, x := range tries {
		answer := x.AnswerPlain
		if begin := strings.Index(answer, "<Content>"); begin >= 0 {
			answer = answer[begin:]
		}
		all = append(all, answer)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func TestTriesThatMeetTwoReplicasAtOnceHaveOneEffectAndOneAnswer(t *testing.T) {
	t.Parallel()
	w := story.Begin(t, story.Servers(t))
	one, two := w.Replica(), w.Replica()
	zhang := w.Person("ordinary").Follows()
	chaos(t, w, wechat.Chaos{Copies: 3})
	for _, step := range []struct {
		says func() string
		want string
	}{
		{func() string { return "绑定" + zhang.Phone }, "验证码短信已发到"},
		{zhang.Code, "绑定成功"},
		{func() string { return "查话费" }, "话费余额 " + zhang.Balance()},
		{func() string { return "意见反馈" }, "意见"},
		{func() string { return "排队太久了" }, "记下"},
	} {
		seen := w.Seen()
		zhang.Says(step.says()).Hears(step.want)
		tries := w.Callbacks(seen)
		if got := contents(tries); len(tries) != 3 || len(got) != 1 {
			t.Errorf("%d tries were answered %q, want three with one answer", len(tries), got)
		}
	}
	if n := len(w.Sandbox.SMS.Inbox(zhang.Phone, 0)); n != 1 {
		t.Errorf("%d SMS were sent, want 1", n)
	}
	books := w.Books()
	if len(books["chat_feedback"]) != 1 || len(books["member_phone"]) != 1 || len(books["member"]) != 1 {
		t.Errorf("the books hold %d notes, %d numbers and %d members, want one of each", len(books["chat_feedback"]), len(books["member_phone"]), len(books["member"]))
	}
	for _, r := range []*story.Replica{one, two} {
		if r.Metric("callbacks_total", `outcome="answered"`) == 0 {
			t.Errorf("a replica was not asked at all")
		}
	}
}

func TestMessagesOutOfOrderAreEachAnswered(t *testing.T) {
	t.Parallel()
	w := story.Begin(t, story.Servers(t))
	w.Replica()
	w.Replica()
	zhang := w.Person("ordinary").Bound()
	chaos(t, w, wechat.Chaos{Copies: 3, Hold: 2})
	zhang.Begins("查话费")
	w.Person("ordinary").Begins("查流量")
	w.Person("ordinary").Begins("查套餐")
	w.Until("three answers are there", func() bool { return len(zhang.Heard()) == 3 })
	w.Idle()
	for i, want := range []string{"流量还剩", "每月", "话费余额"} {
		if n := slices.IndexFunc(zhang.Heard(), func(b wechat.Bubble) bool { return strings.Contains(b.Text, want) }); n < 0 {
			t.Errorf("answer %d (%s) is missing: %+v", i, want, zhang.Heard())
		}
	}
	if n := len(zhang.Heard()); n != 3 {
		t.Errorf("%d answers, want 3", n)
	}
}

func TestAKilledReplicaLeavesTheMessageToTheNextTry(t *testing.T) {
	t.Parallel()
	w := story.Begin(t, story.Servers(t))
	doomed := w.Process(story.Binary(t))
	zhang := w.Person("ordinary").Bound()
	w.Replica() // before the message: a replica takes longer to begin than WeChat waits
	w.Fault("carrier.bucket", slow)
	doomed.Next()
	zhang.Begins("查话费")
	w.Until("the carrier is being asked", func() bool { return w.Begun("/bucket") > 0 })
	w.Fault("carrier.bucket")
	doomed.Kill()
	w.Idle()
	zhang.Hears("话费余额 " + zhang.Balance())
	if n := len(w.Books()["inbox_reply"]); n != 0 {
		t.Errorf("%d answers are owed, want none", n)
	}
}

func TestAKilledReplicaLeavesWhatItOwesToAnother(t *testing.T) {
	t.Parallel()
	w := story.Begin(t, story.Servers(t))
	doomed := w.Process(story.Binary(t))
	zhang := w.Person("ordinary").Bound()
	w.Fault("carrier.bucket", slow)
	zhang.Says("查话费").HearsNothing() // success was said, the answer is owed
	doomed.Kill()
	w.Fault("carrier.bucket")
	w.Passes(time.Minute) // the dead one's lease ends
	w.Replica()
	zhang.HearsLater("话费余额 " + zhang.Balance()).Hears("话费余额")
}

func TestARedisThatLosesItsMemoryBreaksNoPromise(t *testing.T) {
	t.Parallel()
	stores := story.Servers(t)
	client := dbtest.PrivateRedis(t)
	stores.Redis = redisdb.Options{Addrs: []string{client.(*redis.Client).Options().Addr}}
	w := story.Begin(t, stores)
	w.Replica().Publishes()
	w.Replica()
	forget := func() {
		if err := client.FlushAll(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
	}
	zhang := w.Person("ordinary").Follows()
	zhang.Says("绑定" + zhang.Phone).Hears("验证码短信已发到")
	forget()
	zhang.Says(zhang.Code()).Hears("绑定成功")
	w.Fault("carrier.bucket", slow)
	zhang.Begins("查话费")
	w.Until("the carrier is being asked", func() bool { return w.Begun("/bucket") > 0 })
	forget()
	w.Idle()
	zhang.HearsLater("话费余额 " + zhang.Balance()).Hears("话费余额")
	forget()
	w.Fault("carrier.bucket")
	zhang.Says("查话费").Hears("话费余额 " + zhang.Balance())
}
