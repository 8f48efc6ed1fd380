package chat_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/redis/go-redis/v9"
	"pgregory.net/rapid"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
	"kaimenhong/model/fault"
	"kaimenhong/model/page"
	"kaimenhong/service/chat"
)

// line is one step of a conversation: what is said, and what the answer holds; a
// want that begins with ! must not be in it.
type line struct{ says, want string }

func (k *talk) plays(t *testing.T, lines []line) {
	t.Helper()
	for _, l := range lines {
		got := k.says(t, l.says)
		unwanted, not := strings.CutPrefix(l.want, "!")
		if not == strings.Contains(got, unwanted) {
			t.Errorf("%q is answered\n%s\nwant %q", l.says, got, l.want)
		}
	}
}

func TestConversations(t *testing.T) {
	for _, tt := range []struct {
		name    string
		unbound bool
		lines   []line
	}{
		{"a choice is answered by its number", false, []line{{"查询", "1 查话费\n2 查流量"}, {"2", "流量还剩"}}},
		{"full width, words and keycaps are numbers too", false, []line{{"查", "2 查流量"}, {"２", "流量还剩"}, {"查", "1"}, {"第二个", "流量还剩"}, {"查", "1"}, {"二", "流量还剩"}, {"查", "1"}, {"2️⃣", "流量还剩"}, {"查", "1"}, {"选3吧", "5G畅享套餐"}}},
		{"a number that is not offered is told", false, []line{{"查", "1"}, {"9", "没有这个选项"}, {"1", "话费余额"}}},
		{"other words leave the choice", false, []line{{"查", "1"}, {"我的积分", "可用积分"}, {"1", "没对上号"}}},
		{"two numbers are answered together", false, []line{{"话费和流量", "话费余额 45.30元"}, {"话费和流量", "流量还剩 14.5GB"}}},
		{"a balance and a bill are answered together", false, []line{{"余额和账单", "话费余额 45.30元"}, {"余额和账单", "10月账单 128.50元"}, {"账单和话费，谢谢", "话费余额 45.30元"}}},
		{"two that are asked for each by itself are answered together", false, []line{{"话费多少流量多少", "话费余额 45.30元"}, {"话费还剩多少，流量还剩多少", "流量还剩 14.5GB"}, {"注销流量包", "办不了"}, {"取消签到", "!已签到"}}},
		{"how many are answered at once is said", false, []line{{"话费、流量和积分", "一次最多查两项，先看哪一项？回复数字：\n1 查话费\n2 查流量\n3 查积分"}, {"3", "可用积分"}}},
		{"how many are answered at once is not said of what a sentence may mean", false, []line{{"用话费买东西", "您想办哪一项？回复数字：\n1 查话费"}, {"套餐余额", "您想办哪一项？回复数字：\n1 查话费"}, {"积分怎么攒", "您想办哪一项？回复数字：\n1 查积分"}}},
		{"money that could be two things is a choice", false, []line{{"这个月话费多少", "1 查话费\n2 查账单"}}},
		{"somebody else's number is private", false, []line{{"帮我妈查话费", "保护隐私"}, {"查13912345678的话费", "!45.30"}, {"查13800001111的话费", "话费余额 45.30元"}}},
		{"a refused thing is not done", false, []line{{"不想查话费", "!45.30"}, {"不想查话费，想查流量", "流量还剩"}}},
		{"a bare number of a bound member is no command", false, []line{{"13912345678", "要换绑成 139****5678 吗"}, {"13912345678", "短信已发到 139****5678"}, {"123456", "绑定成功：139****5678"}}},
		{"the number that is bound already", false, []line{{"绑定13800001111", "不用再绑一次"}, {"13800001111", "已经绑定了这个号码"}}},
		{"rebinding says what will change", false, []line{{"换绑", "现在绑定的是 138****1111"}, {"13912345678", "从 138****1111 换绑"}, {"查流量", "流量还剩"}, {"123456", "绑定成功：139****5678"}}},
		{"rebinding can be left", false, []line{{"换绑", "138****1111"}, {"取消", "已经取消"}, {"123456", "没对上号"}}},
		{"unbinding is confirmed", false, []line{{"解绑", "确定要解绑 138****1111 吗"}, {"是的", "已经解绑"}, {"解绑", "不需要解绑"}}},
		{"unbinding can be left", false, []line{{"解绑", "确定"}, {"取消", "已经取消"}, {"查话费", "45.30"}}},
		{"a yes out of the blue undoes nothing", false, []line{{"是的", "!解绑"}, {"查话费", "45.30"}}},
		{"bind with the number in one go", true, []line{{"绑定 13912345678", "短信已发到 139****5678"}, {"验证码：123456", "绑定成功"}}},
		{"bind asks for the number", true, []line{{"绑定", "发送您的11位手机号"}, {"139-1234-5678", "短信已发到"}, {"123456", "绑定成功"}}},
		{"bind with a number that is no phone", true, []line{{"绑定 12345678901", "不像手机号"}, {"13912345678", "短信已发到"}}},
		{"a bare number that nobody asked for", true, []line{{"13912345678", "要绑定 139****5678 吗"}, {"13912345678", "短信已发到"}}},
		{"no number is told to a stranger", true, []line{{"账单", "先绑定手机号"}, {"查套餐", "先绑定手机号"}, {"话费和流量", "先绑定手机号"}}},
		{"a wrong code can be tried again", true, []line{{"绑定13912345678", "已发到"}, {"111111", "还可以再试"}, {"123456", "绑定成功"}}},
		{"feedback is kept and numbered", false, []line{{"意见反馈", "写在下一条消息里"}, {"营业厅排队太久了，希望多开窗口", "已经记下，编号 "}, {"营业厅排队太久了", "!已经记下"}}},
		{"feedback can be left", false, []line{{"投诉", "写在下一条"}, {"取消", "已经取消"}, {"投诉", "写在下一条"}, {"查话费", "45.30"}}},
		{"feedback that talks about money is feedback", false, []line{{"我要投诉", "写在下一条"}, {"上个月莫名其妙扣了我20块钱话费", "已经记下"}}},
		{"feedback of emoji asks for words", false, []line{{"意见反馈", "下一条"}, {"😡😡", "没看到文字"}, {"信号不好", "已经记下"}}},
		{"other things are said kindly", false, []line{{"", "空白消息"}, {"   ", "空白消息"}, {"😂👍", "表情"}, {strings.Repeat("测", 682), "没看明白"}, {"12345678", "不像手机号"}, {"5", "没对上号"}, {"\xff\xfe", "1 查话费"}}},
		{"a gift in three taps", false, []line{{"积分兑换", "您有 1200积分，现在就能换，回复数字：\n1 1GB流量 & ＜日包＞（500积分）\n2 咖啡券（300积分）\n3 影视会员（1200积分）"}, {"兑换1", "用 500积分兑换“1GB流量 & ＜日包＞”，给 138****1111，确定吗"}, {"确认兑换1GB流量＜日包＞", "兑换成功：1GB流量 & ＜日包＞，用了 500积分。\n正在为 138****1111 办理"}, {"查积分", "可用积分 700分"}}},
		{"a coupon's code is said", false, []line{{"用积分换礼品", "2 咖啡券"}, {"2", "用 300积分兑换“咖啡券”"}, {"是的", "券码：AA-1"}, {"查积分", "可用积分 900分"}}},
		{"a card is opened", false, []line{{"积分兑换", "3 影视会员"}, {"第三个", "1200积分"}, {"确认", "data-miniprogram-appid=\"wx1\" data-miniprogram-path=\"pages/use\""}}},
		{"nothing is redeemed without a yes", false, []line{{"积分兑换", "1 "}, {"1", "确定吗"}, {"取消", "已经取消"}, {"确认兑换", "现在就能换"}, {"查积分", "可用积分 1200分"}}},
		{"a yes to an older question redeems nothing", false, []line{{"积分兑换", "1 "}, {"1", "确定吗"}, {"积分兑换", "2 "}, {"2", "咖啡券"}, {"确认兑换1GB流量＜日包＞", "!兑换成功"}, {"查积分", "可用积分 1200分"}}},
		{"a gift that is not offered is told", false, []line{{"积分兑换", "3 "}, {"9", "现在就能换"}, {"兑换4", "现在就能换"}, {"查话费", "45.30"}, {"1", "没对上号"}}},
		{"who has no number binds one and sees the gifts", true, []line{{"积分兑换", "先绑定手机号才能积分兑换"}, {"13912345678", "短信已发到"}, {"123456", "现在就能换"}, {"1", "给 139****5678"}}},
		{"the rest leads on", false, []line{{"充值", "充值"}, {"有什么优惠", "特惠"}, {"换套餐", "新套餐"}, {"补卡", "补卡"}, {"帮助", "直接说就行"}, {"菜单", "掌上营业厅为您服务"}, {"？", "直接说就行"}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			if tt.unbound {
				w.member.Phone = model.Phone{}
			}
			newTalk(t, w, dbtest.SQLite(t), dbtest.EmbeddedRedis(t), nil, plainOptions).plays(t, tt.lines)
		})
	}
}

func TestTwoNumbersAreReadAtTheSameTime(t *testing.T) {
	w := newWorld(t)
	w.reading = make(chan struct{})
	k := newTalk(t, w, dbtest.SQLite(t), dbtest.EmbeddedRedis(t), nil, plainOptions)
	if got := k.says(t, "话费和流量"); !strings.Contains(got, "话费余额") || !strings.Contains(got, "流量还剩") {
		t.Errorf("answer = %q, want both numbers", got)
	}
}

func TestARepeatChangesNothingAndSaysTheSame(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
		k := newTalk(t, newWorld(t), pool, dbtest.EmbeddedRedis(t), nil, plainOptions)
		for _, says := range []string{"查", "2", "意见反馈", "排队太久了，请多开窗口", "解绑", "确认", "绑定 13912345678", "123456"} {
			in := k.inbound(model.InText)
			in.Text = says
			first, second := k.gets(t, in), k.gets(t, in)
			if first.Text != second.Text {
				t.Errorf("the repeat of %q says\n%s\nwant\n%s", says, second.Text, first.Text)
			}
		}
		notes, _, err := k.notes.List(t.Context(), false, "", 10)
		if err != nil || len(notes) != 1 || notes[0].Message != "排队太久了，请多开窗口" || notes[0].Member != 7 {
			t.Errorf("Notes = %+v, %v, want the one message", notes, err)
		}
		var stored string
		if err := pool.QueryRowContext(t.Context(), "SELECT message FROM chat_feedback").Scan(&stored); err != nil || strings.Contains(stored, "排队") {
			t.Errorf("the table holds %q, %v, want it sealed", stored, err)
		}
		if older, _, err := k.notes.List(t.Context(), false, page.Cursor(int64(notes[0].ID)), 10); err != nil || len(older) != 0 {
			t.Errorf("older Notes = %+v, %v, want none", older, err)
		}
		finishes(t, k, notes[0].ID)
	})
}

func TestAnOldNumberSaysHowOldItIs(t *testing.T) {
	for _, tt := range []struct {
		name  string
		age   time.Duration
		stale bool
		want  string
	}{
		{"fresh", time.Minute, false, "话费余额 45.30元。"},
		{"older than a minute", 61 * time.Second, false, "话费余额 45.30元，截至 20:28。"},
		{"carrier down", time.Second, true, "话费余额 45.30元，截至 20:29。运营商系统暂时没有应答，稍后可以再查。"},
		{"of yesterday", 24 * time.Hour, true, "截至 11月16日 20:30。运营商系统暂时没有应答"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			at := model.At(w.now.Add(-tt.age))
			w.balance.AsOf, w.balance.Stale = at, tt.stale
			w.usage.AsOf, w.usage.Stale = at, tt.stale
			w.plan.AsOf, w.plan.Stale = at, tt.stale
			w.bills.AsOf, w.bills.Stale = at, tt.stale
			k := newTalk(t, w, dbtest.SQLite(t), dbtest.EmbeddedRedis(t), nil, plainOptions)
			if got := k.says(t, "查话费"); !strings.Contains(got, tt.want) {
				t.Errorf("answer = %q, want %q", got, tt.want)
			}
			for _, says := range []string{"查流量", "查套餐", "查账单"} {
				got := k.says(t, says)
				if stale := strings.Contains(got, "暂时没有应答"); stale != tt.stale {
					t.Errorf("%q is answered %q, want stale told: %v", says, got, tt.stale)
				}
				if old := strings.Contains(got, "截至"); old != (tt.age > time.Minute || tt.stale) {
					t.Errorf("%q is answered %q", says, got)
				}
			}
		})
	}
}

func TestWhatIsRefusedIsSaidAndWhatIsOursIsAnError(t *testing.T) {
	w := newWorld(t)
	k := newTalk(t, w, dbtest.SQLite(t), dbtest.EmbeddedRedis(t), nil, plainOptions)
	w.err = fault.New(fault.Unavailable, "account.unavailable", "运营商系统暂时没有应答，请过几分钟再试")
	if got := k.says(t, "查流量"); got != "运营商系统暂时没有应答，请过几分钟再试" {
		t.Errorf("answer = %q, want the fault's text", got)
	}
	w.err = errors.New("broken")
	in := k.inbound(model.InText)
	in.Text = "查流量"
	if _, err := k.chat.Handle(t.Context(), in); !errors.Is(err, w.err) {
		t.Errorf("Handle = %v, want %v", err, w.err)
	}
}

func TestAReadThatNeverEndsIsGivenUp(t *testing.T) {
	w := newWorld(t)
	w.reading = make(chan struct{}) // a single read waits for ever
	opts := plainOptions
	opts.Timeout = time.Millisecond
	k := newTalk(t, w, dbtest.SQLite(t), dbtest.EmbeddedRedis(t), nil, opts)
	w.err = context.DeadlineExceeded
	if got := k.says(t, "查话费"); !strings.Contains(got, "查询用时太久") {
		t.Errorf("answer = %q, want that it takes too long", got)
	}
}

func TestArrearsComeFirst(t *testing.T) {
	w := newWorld(t)
	w.balance = model.Balance{Available: -1230, Arrears: 1230, Reserved: 500, ExpiresAt: model.At(w.now.Add(10 * 24 * time.Hour)), AsOf: model.At(w.now)}
	k := newTalk(t, w, dbtest.SQLite(t), dbtest.EmbeddedRedis(t), nil, plainOptions)
	want := "您已欠费 12.30元，可用余额 0元。另有 5元 被冻结。\n号码有效期到 11月27日，到期前充值会自动延长。\n看怎么缴费，缴清后自动恢复"
	if got := k.says(t, "是不是欠费了"); got != want {
		t.Errorf("answer = %q, want %q", got, want)
	}
}

func TestPeopleAnswerInTheirHours(t *testing.T) {
	w := newWorld(t)
	opts := plainOptions
	opts.Hotline = "10086"
	opts.Hours = chat.Hours{Days: []time.Weekday{time.Monday, time.Tuesday}, Open: 9 * time.Hour, Close: 18*time.Hour + 30*time.Minute}
	k := newTalk(t, w, dbtest.SQLite(t), dbtest.EmbeddedRedis(t), nil, opts)
	for _, tt := range []struct {
		at   string
		open bool
	}{
		{"2026-11-17T09:00:00+08:00", true}, {"2026-11-17T18:29:59+08:00", true}, {"2026-11-17T18:30:00+08:00", false},
		{"2026-11-17T08:59:59+08:00", false}, {"2026-11-18T12:00:00+08:00", false}, {"2026-11-17T01:00:00Z", true},
	} {
		var err error
		if w.now, err = time.Parse(time.RFC3339, tt.at); err != nil {
			t.Fatal(err)
		}
		in := k.inbound(model.InText)
		in.Text = "转人工"
		got := k.gets(t, in)
		if open := got.Kind == model.TransferContent; open != tt.open {
			t.Errorf("at %s transferred = %v, want %v", tt.at, open, tt.open)
		}
		if !tt.open && (!strings.Contains(got.Text, "周一、周二 09:00–18:30") || !strings.Contains(got.Text, "拨打 10086")) {
			t.Errorf("at %s the answer is %q, want the hours and the hotline", tt.at, got.Text)
		}
	}
	w.now = w.now.Add(12 * time.Hour)
	k.plays(t, []line{{"人工", "您可以把问题写在下一条消息里"}})
	if got := k.says(t, "宽带断了三天，请尽快处理"); !strings.Contains(got, "已经记下") {
		t.Errorf("answer = %q, want that the message was kept", got)
	}
}

func TestEvents(t *testing.T) {
	w := newWorld(t)
	opts := plainOptions
	opts.Welcome = map[string]string{"": "欢迎！", "store-1": "欢迎从一号营业厅来！"}
	k := newTalk(t, w, dbtest.SQLite(t), dbtest.EmbeddedRedis(t), nil, opts)
	for _, tt := range []struct {
		kind      model.InboundKind
		key, want string
		silent    bool
	}{
		{model.InSubscribe, "store-1", "欢迎从一号营业厅来！\n\n您绑定的是 138****1111", false},
		{model.InSubscribe, "", "欢迎！\n\n", false},
		{model.InScan, "store-1", "欢迎从一号营业厅来！", false},
		{model.InClick, "balance", "话费余额 45.30元", false},
		{model.InClick, "查流量", "流量还剩", false},
		{model.InClick, "no such key", "没看明白", false},
		{model.InUnsubscribe, "", "", true},
		{model.InView, "https://example.com", "", true},
		{model.InLocationSent, "", "", true},
		{"event.templatesendjobfinish", "", "", true},
		{model.InImage, "", "图片我还看不懂", false},
		{model.InVideo, "", "视频", false},
		{model.InShortVideo, "", "视频", false},
		{model.InVoice, "", "没听清", false},
		{model.InLocation, "", "位置", false},
		{model.InLink, "", "链接", false},
		{"unheard", "", "", true},
	} {
		in := k.inbound(tt.kind)
		in.EventKey = tt.key
		got := k.gets(t, in)
		if tt.silent != (got.Kind == model.NoContent) || !strings.Contains(got.Text, tt.want) {
			t.Errorf("%s %q is answered %q %q, want %q", tt.kind, tt.key, got.Kind, got.Text, tt.want)
		}
		if tt.kind == model.InSubscribe && w.source != tt.key {
			t.Errorf("followed through %q, want %q", w.source, tt.key)
		}
	}
	if w.source != "gone" {
		t.Errorf("the member who left is %q, want gone", w.source)
	}
	in := k.inbound(model.InVoice)
	in.Text = "帮我查一下流量还剩多少。"
	if got := k.gets(t, in).Text; !strings.Contains(got, "流量还剩") {
		t.Errorf("recognised words are answered %q", got)
	}
}

func TestARedemptionInTheChatHappensOnce(t *testing.T) {
	dbtest.Redises(t, func(t *testing.T, client redis.UniversalClient) {
		w := newWorld(t)
		k := newTalk(t, w, dbtest.SQLite(t), client, nil, plainOptions)
		k.plays(t, []line{{"积分兑换", "2 咖啡券"}, {"兑换2", "确定吗"}})
		in := k.inbound(model.InText)
		in.Text = "确认兑换咖啡券"
		first := k.gets(t, in).Text
		for range 2 { // WeChat's own repeats
			if got := k.gets(t, in).Text; got != first || !strings.Contains(got, "AA-1") {
				t.Errorf("the repeat is answered %q, the first was %q", got, first)
			}
		}
		if w.points.Available != 900 {
			t.Errorf("%d points are left, want 900", w.points.Available)
		}
		k.plays(t, []line{{"积分兑换", "2 咖啡券"}, {"2", "确定吗"}})
		w.points.Available = 100 // spent in the mini-program meanwhile
		k.plays(t, []line{{"确认", "积分不足，还差200积分"}, {"积分兑换", "您有 100积分，现在还没有能直接兑换的礼品"}})
	})
}

func TestATapOnAGiftSaysWhatItMeans(t *testing.T) {
	k := newTalk(t, newWorld(t), dbtest.SQLite(t), dbtest.EmbeddedRedis(t), nil, chat.Options{})
	k.plays(t, []line{
		{"积分兑换", `msgmenucontent=兑换1&msgmenuid=1">1 1GB流量 & ＜日包＞（500积分）</a>`},
		{"兑换1", `msgmenucontent=确认兑换1GB流量＜日包＞&msgmenuid=1">确认兑换</a>`},
	})
	for _, b := range k.chat.Menu().Button[1].SubButton {
		if b.Name == "积分兑换" && b.Type != "click" {
			t.Errorf("the menu's entry is a %s", b.Type)
		}
	}
}

func TestAFollowerSendsHisNumberAtOnce(t *testing.T) {
	w := newWorld(t)
	w.member.Phone = model.Phone{}
	k := newTalk(t, w, dbtest.SQLite(t), dbtest.EmbeddedRedis(t), nil, plainOptions)
	if got := k.gets(t, k.inbound(model.InSubscribe)).Text; !strings.Contains(got, "直接发送您的11位手机号") {
		t.Errorf("the welcome is %q", got)
	}
	k.plays(t, []line{{"13912345678", "短信已发到"}, {"123456", "绑定成功"}, {"1", "话费余额"}})
}

func TestWithoutRedisOnlyTheThreadIsLost(t *testing.T) {
	w := newWorld(t)
	w.member.Phone = model.Phone{}
	client := dbtest.EmbeddedRedis(t)
	k := newTalk(t, w, dbtest.SQLite(t), client, nil, plainOptions)
	k.plays(t, []line{{"绑定13912345678", "短信已发到"}})
	if err := client.FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	k.plays(t, []line{{"123456", "绑定成功"}})
	if err := client.Close(); err != nil {
		t.Fatal(err)
	}
	k.plays(t, []line{{"查话费", "45.30"}, {"查", "1 查话费"}, {"查流量", "流量还剩"}})
}

func TestASessionEnds(t *testing.T) {
	client := dbtest.EmbeddedRedis(t)
	k := newTalk(t, newWorld(t), dbtest.SQLite(t), client, nil, plainOptions)
	k.plays(t, []line{{"查", "1"}})
	ttl, err := client.TTL(t.Context(), "chat:{o7}:session").Result()
	if err != nil || ttl <= 0 || ttl > 10*time.Minute {
		t.Errorf("the session lives %v, %v, want at most 10 minutes", ttl, err)
	}
}

func TestLinksLeadOn(t *testing.T) {
	opts := chat.Options{Links: map[chat.Intent]chat.Link{
		chat.TopUp: {AppID: "wx1", Page: "pages/topup", URL: "https://example.com/topup"},
		chat.Deals: {URL: `https://example.com/"deals`},
	}}
	k := newTalk(t, newWorld(t), dbtest.SQLite(t), dbtest.EmbeddedRedis(t), nil, opts)
	k.plays(t, []line{
		{"充值", `<a data-miniprogram-appid="wx1" data-miniprogram-path="pages/topup" href="https://example.com/topup">看充值方式</a>`},
		{"查话费", "查流量"},
		{"特惠", `<a href="https://example.com/%22deals">看看特惠</a>`},
		{"查流量", `<a href="weixin://bizmsgmenu?msgmenucontent=查套餐&msgmenuid=1">查套餐</a>`},
	})
}

func TestEveryTapIsUnderstood(t *testing.T) {
	k := newTalk(t, newWorld(t), dbtest.SQLite(t), dbtest.EmbeddedRedis(t), nil, chat.Options{})
	for _, top := range k.chat.Menu().Button {
		for _, b := range top.SubButton {
			if m := chat.Understand(b.Name, chat.ChinaMobile); !m.Sure || string(m.Intents()[0]) != b.Key {
				t.Errorf("%s is read as %v, want %s", b.Name, m.Intents(), b.Key)
			}
		}
	}
}

func TestTheMenuFitsWeChat(t *testing.T) {
	w, pool, client := newWorld(t), dbtest.SQLite(t), dbtest.EmbeddedRedis(t)
	k := newTalk(t, w, pool, client, nil, chat.Options{Links: map[chat.Intent]chat.Link{
		chat.TopUp: {AppID: "wx1", Page: "p", URL: "https://example.com"}, chat.Deals: {URL: "https://example.com"},
	}})
	menu := k.chat.Menu()
	if n := len(menu.Button); n == 0 || n > 3 {
		t.Fatalf("%d buttons, want 1 to 3", n)
	}
	for _, top := range menu.Button {
		if len(top.Name) > 16 || utf8.RuneCountInString(top.Name) > 4 || len(top.SubButton) > 5 {
			t.Errorf("%s has a name of %d bytes and %d entries", top.Name, len(top.Name), len(top.SubButton))
		}
		for _, b := range top.SubButton {
			if len(b.Name) > 60 || utf8.RuneCountInString(b.Name) > 8 || len(b.Key) > 128 || len(b.URL) > 1024 || len(b.SubButton) > 0 {
				t.Errorf("%+v is too long", b)
			}
			if (b.Type == "click") != (b.Key != "") || (b.Type == "miniprogram") != (b.AppID != "" && b.PagePath != "") {
				t.Errorf("%+v lacks what its type needs", b)
			}
		}
	}
}

func TestATextAlwaysFits(t *testing.T) {
	pool, client := dbtest.SQLite(t), dbtest.EmbeddedRedis(t)
	k := newTalk(t, newWorld(t), pool, client, nil, chat.Options{})
	rapid.Check(t, func(rt *rapid.T) {
		name := rapid.StringN(0, 400, -1)
		w := k.world
		w.usage.Allowances = []model.Allowance{{Kind: model.Data, Name: name.Draw(rt, "name"), Total: rapid.Int64().Draw(rt, "total"), Left: rapid.Int64().Draw(rt, "left"), ValidUntil: model.At(w.now.Add(time.Hour))}}
		w.plan.Main = model.Product{Name: name.Draw(rt, "plan") + "x", Details: rapid.SliceOfN(name, 0, 12).Draw(rt, "details")}
		w.plan.Packs = make([]model.Product, rapid.IntRange(0, 40).Draw(rt, "packs"))
		for i := range w.plan.Packs {
			w.plan.Packs[i].Name = name.Draw(rt, "pack")
		}
		items := make([]model.BillItem, rapid.IntRange(0, 40).Draw(rt, "items"))
		for i := range items {
			items[i] = model.BillItem{Name: name.Draw(rt, "item"), Amount: model.Fen(rapid.Int64().Draw(rt, "amount"))}
		}
		w.bills.Bills = []model.Bill{{Month: "2026-10", Items: items}}
		for _, says := range []string{"查话费", "查流量", "查套餐", "查账单", "菜单", rapid.String().Draw(rt, "says")} {
			in := k.inbound(model.InText)
			in.Text = says
			content, err := k.chat.Handle(t.Context(), in)
			if err != nil {
				rt.Fatalf("Handle = %v", err)
			}
			if content.Kind == model.TextContent && (len(content.Text) > model.MaxText || content.Text == "" || !utf8.ValidString(content.Text)) {
				rt.Fatalf("%q is answered with %d bytes", says, len(content.Text))
			}
		}
	})
}

func TestManySpeakAtOnce(t *testing.T) {
	dbtest.Redises(t, func(t *testing.T, client redis.UniversalClient) {
		k := newTalk(t, newWorld(t), dbtest.SQLite(t), client, nil, plainOptions)
		done := make(chan error)
		for i := range 8 {
			go func() {
				in := model.Inbound{Key: model.RequestID(fmt.Sprint("k", i)), OpenID: model.OpenID(fmt.Sprint("o", i)), Kind: model.InText, Text: "查话费"}
				content, err := k.chat.Handle(t.Context(), in)
				if err == nil && !strings.Contains(content.Text, "45.30") {
					err = errors.New(content.Text)
				}
				done <- err
			}()
		}
		for range 8 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
	})
}

func FuzzUnderstand(f *testing.F) {
	for _, s := range []string{"查话费", "我還剩多少流量", "ＣＸＬＬ", "不想查话费，想查流量", "13912345678", "", "😂", "\xff\xfe", strings.Repeat("测", 683), "hufei liulaing", "1️⃣", strings.Repeat("我等了好久，", 20) + "转人工", "查\u200b话\ufe0f费"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		m := chat.Understand(s, chat.ChinaMobile)
		if m.Sure && (len(m.Intents()) == 0 || len(m.Intents()) > 2) {
			t.Errorf("%q is surely %v", s, m.Intents())
		}
		for i, intent := range m.Intents() {
			if !intent.Known() {
				t.Errorf("%q is read as %q, which nobody answers", s, intent)
			}
			for _, other := range m.Intents()[:i] {
				if other == intent {
					t.Errorf("%q offers %s twice", s, intent)
				}
			}
		}
	})
}

func TestIntentsAreCounted(t *testing.T) {
	pool, w := dbtest.SQLite(t), newWorld(t)
	rules := newRules(t, pool)
	if _, err := rules.Add(t.Context(), 1, rule(chat.Exact, "开门红", "红包来了"), "r1"); err != nil {
		t.Fatal(err)
	}
	k := newTalk(t, w, pool, dbtest.EmbeddedRedis(t), rules, plainOptions)
	for _, says := range []string{"查话费", "查询", "1", "开门红", "阿巴阿巴"} {
		k.says(t, says)
	}
	const want = `
# HELP chat_intents_total Messages by the intent that was read and by outcome: understood, choice, rule, unknown.
# TYPE chat_intents_total counter
chat_intents_total{intent="balance",outcome="choice"} 1
chat_intents_total{intent="balance",outcome="understood"} 2
chat_intents_total{intent="none",outcome="rule"} 1
chat_intents_total{intent="none",outcome="unknown"} 1
`
	if err := testutil.GatherAndCompare(k.registry, strings.NewReader(want), "chat_intents_total"); err != nil {
		t.Error(err)
	}
}
