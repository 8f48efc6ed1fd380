package push_test

import (
	"database/sql"
	"fmt"
	"strings"
	"testing"
	"time"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
	"kaimenhong/model/fault"
	"kaimenhong/service/push"
)

func refusal(kind fault.Kind, code string) error { return fault.New(kind, code, "") }

var (
	noConsent  = refusal(fault.Conflict, "wechat.no_consent")
	windowShut = refusal(fault.Conflict, "wechat.window_shut")
	blocked    = refusal(fault.Conflict, "wechat.not_following")
	badData    = refusal(fault.Invalid, "wechat.bad_data")
	dayOver    = refusal(fault.Limited, "wechat.day_quota")
	minuteOver = refusal(fault.Limited, "wechat.minute_quota")
	busy       = refusal(fault.Unavailable, "wechat.busy")
)

// everywhere runs a test on every engine with some people who have a window and a
// consent for the mini-program's T102.
func everywhere(t *testing.T, people int, opts push.PlannerOptions, run func(t *testing.T, r *rig)) {
	dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
		r := newRig(t, pool, newCrowd(people), opts)
		r.windows(t)
		r.consents(t, model.MiniChannel, "T102")
		run(t, r)
	})
}

var twoWays = []model.Way{{Channel: model.CustomChannel, Material: 101}, {Channel: model.MiniChannel, Material: 102}}

func TestWhatWeChatSaysDecides(t *testing.T) {
	for _, tt := range []struct {
		name   string
		answer map[model.Channel]error
		want   map[string]int64
		sent   int
	}{
		{"a window that is shut leads to the next way", map[model.Channel]error{model.CustomChannel: windowShut}, map[string]int64{"sent mini_subscribe": 6}, 6},
		{"refused everywhere is refused", map[model.Channel]error{model.CustomChannel: windowShut, model.MiniChannel: noConsent}, map[string]int64{"refused wechat.no_consent": 6}, 0},
		{"an answer that was lost is unknown, and no other way is tried", map[model.Channel]error{model.CustomChannel: errLostAnswer}, map[string]int64{"unknown wechat.unknown_outcome": 6}, 6},
		{"who left is met in the mini-program", map[model.Channel]error{model.CustomChannel: blocked}, map[string]int64{"sent mini_subscribe": 6}, 6},
	} {
		t.Run(tt.name, func(t *testing.T) {
			everywhere(t, 6, push.PlannerOptions{}, func(t *testing.T, r *rig) {
				r.answer = func(k call) error { return tt.answer[k.channel] }
				r.stage(t, dispatch(1, twoWays...))
				r.send(t)
				r.send(t)
				r.wants(t, tt.want)
				if n := len(r.arrived()); n != tt.sent {
					t.Errorf("%d messages arrived, want %d", n, tt.sent)
				}
				if n := len(r.unfollow); (n > 0) != (tt.answer[model.CustomChannel] == blocked) {
					t.Errorf("%d people were noted as gone", n)
				}
			})
		})
	}
}

func TestADayQuotaStopsUntilTomorrow(t *testing.T) {
	everywhere(t, 60, push.PlannerOptions{Chunk: 10, Calls: 1}, func(t *testing.T, r *rig) {
		r.answer = func(call) error {
			if len(r.sent) >= 25 && r.now.Day() == noon.Day() {
				return dayOver
			}
			return nil
		}
		r.stage(t, dispatch(1, by(model.CustomChannel)))
		r.send(t)
		asked := len(r.asked)
		r.pass(2 * time.Hour)
		r.send(t)
		r.wants(t, map[string]int64{"sent custom": 25, "pending": 35})
		if len(r.asked) != asked || asked > 26 {
			t.Errorf("WeChat was asked %d times, %d after it said no more", asked, len(r.asked)-asked)
		}
		r.pass(22 * time.Hour)
		r.windows(t)
		r.send(t)
		r.wants(t, map[string]int64{"sent custom": 60})
	})
}

func TestOurOwnQuotaIsNeverExceeded(t *testing.T) {
	opts := push.PlannerOptions{Chunk: 7, Quotas: map[model.Channel]push.Quota{model.CustomChannel: {Day: 50}}}
	everywhere(t, 60, opts, func(t *testing.T, r *rig) {
		r.stage(t, dispatch(1, by(model.CustomChannel)))
		r.send(t)
		r.wants(t, map[string]int64{"sent custom": 45, "pending": 15}) // a tenth is kept from marketing
		service := dispatch(2, by(model.CustomChannel))
		service.Purpose, service.Campaign = model.Transactional, 8
		r.stage(t, service)
		r.send(t)
		if got := r.states(t, 8); got["sent custom"] != 5 {
			t.Errorf("of the service's messages %v, want the 5 that were kept", got)
		}
	})
}

func TestAMinuteQuotaSlows(t *testing.T) {
	minute := model.Millis(28_000_000 * 60_000)
	opts := push.PlannerOptions{Chunk: 10, Calls: 1, Ticks: nil}
	dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
		c := newCrowd(60)
		opts.Ticks = ticksOf(&minute)
		r := newRig(t, pool, c, opts)
		r.windows(t)
		inMinute, last := 0, minute
		r.answer = func(call) error {
			if minute/60_000 != last/60_000 {
				inMinute, last = 0, minute
			}
			if inMinute++; inMinute > 20 {
				return minuteOver
			}
			return nil
		}
		r.stage(t, dispatch(1, by(model.CustomChannel)))
		r.send(t)
		r.wants(t, map[string]int64{"sent custom": 20, "pending": 40})
		asked := len(r.asked)
		r.pass(time.Minute)
		r.send(t) // still the same minute of the database
		if len(r.asked) != asked {
			t.Errorf("WeChat was asked %d times more in the minute that is over", len(r.asked)-asked)
		}
		for range 6 {
			minute += 60_000
			r.pass(time.Minute)
			r.send(t)
		}
		r.wants(t, map[string]int64{"sent custom": 60})
		if n := len(r.asked) - 60; n > 3 {
			t.Errorf("%d calls were too many in their minute; after the first it must be slower", n)
		}
	})
}

func TestABusyWeChatIsLeftAloneForAWhile(t *testing.T) {
	everywhere(t, 40, push.PlannerOptions{Chunk: 10, Calls: 1}, func(t *testing.T, r *rig) {
		r.answer = func(call) error { return busy }
		r.stage(t, dispatch(1, by(model.CustomChannel)))
		r.send(t)
		if n := len(r.asked); n != 3 {
			t.Errorf("a busy WeChat was asked %d times, want 3", n)
		}
		r.answer = nil
		r.send(t)
		r.wants(t, map[string]int64{"pending": 40})
		r.pass(5 * time.Second)
		r.send(t)
		r.wants(t, map[string]int64{"sent custom": 40})
	})
}

func TestRefusedDataStopsTheDispatch(t *testing.T) {
	everywhere(t, 60, push.PlannerOptions{Chunk: 20, Calls: 1, MaxBad: 10}, func(t *testing.T, r *rig) {
		r.answer = func(call) error { return badData }
		r.stage(t, dispatch(1, by(model.CustomChannel)))
		r.send(t)
		r.send(t)
		if n := len(r.asked); n != 10 {
			t.Errorf("WeChat was asked %d times with data that it refuses, want 10", n)
		}
		r.wants(t, map[string]int64{"pending": 50, "pending wechat.bad_data": 10})
		r.answer = nil
		must(t, r.Resume(t.Context(), 7))
		r.send(t)
		r.wants(t, map[string]int64{"sent custom": 50, "refused wechat.bad_data": 10})
	})
}

func TestADeadWorkersMessagesAreNotSentAgain(t *testing.T) {
	everywhere(t, 30, push.PlannerOptions{Chunk: 10, Shard: 30}, func(t *testing.T, r *rig) {
		r.stage(t, dispatch(1, by(model.CustomChannel)))
		wake, err := r.stall(t.Context())
		must(t, err)
		other := newRig(t, r.sql, r.crowd, push.PlannerOptions{Chunk: 10})
		other.send(t)
		r.wants(t, map[string]int64{"sent custom": 20, "unknown push.died": 10})
		must(t, wake())
		r.wants(t, map[string]int64{"sent custom": 20, "unknown push.died": 10})
		once(t, r.crowd)
	})
}

func TestADeadWorkersServiceNoticesAreSentByTheSameName(t *testing.T) {
	everywhere(t, 30, push.PlannerOptions{Chunk: 10, Shard: 30}, func(t *testing.T, r *rig) {
		d := dispatch(1, by(model.TemplateChannel))
		d.Purpose = model.Transactional
		r.stage(t, d)
		wake, err := r.stall(t.Context())
		must(t, err)
		other := newRig(t, r.sql, r.crowd, push.PlannerOptions{Chunk: 10})
		other.send(t)
		r.wants(t, map[string]int64{"sent template": 30})
		must(t, wake())
		r.wants(t, map[string]int64{"sent template": 30})
		once(t, r.crowd)
	})
}

func TestWhoLostHisLeaseUndoesNothing(t *testing.T) {
	everywhere(t, 30, push.PlannerOptions{Chunk: 10, Shard: 30}, func(t *testing.T, r *rig) {
		d := dispatch(1, by(model.TemplateChannel))
		d.Purpose = model.Transactional
		r.stage(t, d)
		slow, err := r.stall(t.Context())
		must(t, err)
		second, err := newRig(t, r.sql, r.crowd, push.PlannerOptions{Chunk: 10}).stall(t.Context()) // calls them once more
		must(t, err)
		r.answer = func(call) error {
			if len(r.asked) <= 10 { // the slow one's
				return noConsent
			}
			return nil
		}
		must(t, slow())
		must(t, second())
		r.wants(t, map[string]int64{"sent template": 30})
		once(t, r.crowd)
	})
}

// once makes sure that nobody got two messages of one material, which is one dispatch.
func once(t testing.TB, c *crowd) {
	t.Helper()
	got := map[string]int{}
	for _, k := range c.arrived() {
		key := fmt.Sprint(k.member, " ", k.text)
		if got[key]++; got[key] > 1 {
			t.Errorf("member and material %s: %d messages", key, got[key])
		}
	}
}

func TestOneMassMessageGoesToAllWhoGetTheSame(t *testing.T) {
	everywhere(t, 40, push.PlannerOptions{}, func(t *testing.T, r *rig) {
		r.stage(t, dispatch(1, by(model.MassChannel)))
		r.answer = func(k call) error { // the first try is lost on its way, after it was taken
			if len(r.asked) == 1 {
				return errLostAnswer
			}
			return nil
		}
		r.send(t)
		r.wants(t, map[string]int64{"sent mass": 40})
		once(t, r.crowd)
		names := map[model.RequestID]bool{}
		for _, k := range r.arrived() {
			names[k.name] = true
		}
		if len(names) != 1 {
			t.Errorf("%d mass messages, want one", len(names))
		}
		// Four in a month are all.
		for id := range model.ID(4) {
			d := dispatch(id+2, model.Way{Channel: model.MassChannel, Material: 200 + id})
			d.Campaign = 8
			r.stage(t, d)
		}
		r.send(t)
		if got := r.states(t, 8); got["sent mass"] != 120 || got["skipped push.no_entitlement"] != 40 {
			t.Errorf("four more mass messages: %v", got)
		}
	})
}

func TestAMessageThatCannotBeMadeLeadsToTheNextWay(t *testing.T) {
	everywhere(t, 30, push.PlannerOptions{}, func(t *testing.T, r *rig) { // 1013 and no other ends in 13
		r.stage(t, dispatch(1, model.Way{Channel: model.CustomChannel, Material: 900}, model.Way{Channel: model.MiniChannel, Material: 102}))
		r.stage(t, dispatch(2, model.Way{Channel: model.CustomChannel, Material: 901}))
		r.send(t)
		r.wants(t, map[string]int64{"sent custom": 58, "sent mini_subscribe": 1, "skipped material.no_value": 1})
	})
}

func TestReportsAndTapsRefineWhatWasSent(t *testing.T) {
	everywhere(t, 4, push.PlannerOptions{}, func(t *testing.T, r *rig) {
		d := dispatch(1, model.Way{Channel: model.MiniChannel, Material: 102})
		r.stage(t, d)
		// WeChat reports of the first message before we have written its receipt.
		early := model.Inbound{Kind: "event.subscribe_msg_sent_event", Fields: map[string]string{
			"SubscribeMsgSentEvent.List.MsgID": "1", "SubscribeMsgSentEvent.List.ErrorCode": "0",
			"SubscribeMsgSentEvent.List#2.MsgID": "2", "SubscribeMsgSentEvent.List#2.ErrorCode": "1",
		}}
		must(t, r.Report(t.Context(), early))
		r.send(t)
		late := model.Inbound{Kind: "event.templatesendjobfinish", MsgID: "3", Status: "failed:user block"}
		for range 2 {
			must(t, r.Report(t.Context(), late))
		}
		byID := map[string]call{}
		for _, k := range r.arrived() {
			byID[k.id] = k
		}
		for id, want := range map[string]string{"1": "微信已确认送达", "2": "微信报告送达失败", "3": "拒收", "4": "已用小程序订阅消息发送。"} {
			told, err := r.WhyNot(t.Context(), []model.MemberID{byID[id].member}, 7)
			if err != nil || len(told) != 1 || told[0].State != model.DeliverySent || !strings.Contains(told[0].Sentence, want) {
				t.Errorf("message %s is told as %+v, %v, want %s", id, told, err, want)
			}
		}
		_, token, ok := strings.Cut(byID["4"].page, push.TapParam+"=")
		if !ok {
			t.Fatalf("the page %q carries no token", byID["4"].page)
		}
		friend := byID["1"].member
		got, own, err := r.Tapped(t.Context(), friend, token)
		if err != nil || own || got.TappedAt != 0 {
			t.Errorf("a friend's tap = %+v, %v, %v, want no tap", got, own, err)
		}
		got, own, err = r.Tapped(t.Context(), byID["4"].member, token)
		if err != nil || !own || got.TappedAt == 0 || got.Variant != "A" || got.Step != 70 {
			t.Errorf("Tapped = %+v, %v, %v", got, own, err)
		}
		forged := []byte(token)
		forged[3]++
		for _, bad := range []string{"", "x", string(forged), token + "A", token[:23]} {
			if _, _, err := r.Tapped(t.Context(), friend, bad); err == nil {
				t.Errorf("the token %q was taken", bad)
			}
		}
	})
}

func TestWhyNotSaysWhy(t *testing.T) {
	everywhere(t, 4, push.PlannerOptions{}, func(t *testing.T, r *rig) {
		m := r.frozen
		r.reach[m[0]].Agrees = false
		r.reach[m[1]].Follows, r.reach[m[1]].Mini = false, ""
		d := dispatch(1, by(model.CustomChannel))
		d.StartsAt = model.At(noon.Add(time.Hour))
		r.stage(t, d)
		expect := func(member model.MemberID, want string) {
			t.Helper()
			told, err := r.WhyNot(t.Context(), []model.MemberID{member}, 7)
			if err != nil || len(told) != 1 || !strings.Contains(told[0].Sentence, want) {
				t.Errorf("WhyNot(%d) = %+v, %v, want %q", member, told, err, want)
			}
		}
		expect(m[0], "13:00开始")
		r.pass(time.Hour)
		r.send(t)
		expect(m[0], "没有同意接收营销消息")
		expect(m[1], "没有可用的发送资格")
		expect(m[2], "已用客服消息发送")
		if told, err := r.WhyNot(t.Context(), []model.MemberID{404}, 7); err != nil || len(told) != 0 {
			t.Errorf("WhyNot of a stranger = %+v, %v", told, err)
		}
		all, _, err := r.Pushes(t.Context(), m[2:3], "", 10)
		if err != nil || len(all) != 1 || all[0].Campaign != 7 {
			t.Errorf("Pushes = %+v, %v", all, err)
		}
		if all, err = r.WhyNot(t.Context(), m[1:3], 7); err != nil || len(all) != 2 {
			t.Errorf("WhyNot of one who was two = %+v, %v, want both", all, err)
		}
		first, next, err := r.Pushes(t.Context(), m[1:3], "", 1)
		if err != nil || len(first) != 1 || next == "" {
			t.Fatalf("Pushes of one who was two = %+v, %q, %v", first, next, err)
		}
		if rest, end, err := r.Pushes(t.Context(), m[1:3], next, 1); err != nil || len(rest) != 1 || end != "" || rest[0].ID >= first[0].ID {
			t.Errorf("Pushes, second page = %+v, %q, %v, want the older one", rest, end, err)
		}
	})
}
