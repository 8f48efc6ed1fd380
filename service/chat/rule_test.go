package chat_test

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"reflect"
	"strings"
	"testing"
	"time"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
	"kaimenhong/model/fault"
	"kaimenhong/model/page"
	"kaimenhong/service/chat"
)

func newRules(t testing.TB, pool *sql.DB) *chat.Rules {
	t.Helper()
	ids, err := model.NewIDs(2, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	now := func() time.Time { return time.Date(2026, 11, 17, 20, 30, 0, 0, model.Shanghai) }
	return chat.NewRules(pool, ids, now, slog.New(slog.DiscardHandler), chat.RulesOptions{})
}

// rule is a valid one.
func rule(how chat.How, pattern, answer string, change ...func(*chat.Rule)) chat.Rule {
	r := chat.Rule{How: how, Pattern: pattern, Enabled: true, Content: model.Text(answer)}
	for _, c := range change {
		c(&r)
	}
	return r
}

func TestOperatorsRulesComeBeforeTheBuiltInAnswers(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
		rules, replica := newRules(t, pool), newRules(t, pool)
		w := newWorld(t)
		at := model.At(w.now)
		add := func(request string, r chat.Rule) chat.Rule {
			t.Helper()
			added, err := rules.Add(t.Context(), 1, r, model.RequestID(request))
			if err != nil {
				t.Fatal(err)
			}
			return added
		}
		add("r1", rule(chat.Exact, "查话费", "话费周公告"))
		add("r2", rule(chat.Prefix, "抢红包", "红包雨"))
		festival := add("r3", rule(chat.Contains, "春節", "春节活动"))
		add("r4", rule(chat.Contains, "春节", "后来的规则"))
		add("r5", rule(chat.Contains, "春节流量", "更长的关键词"))
		add("r6", rule(chat.Contains, "元宵", "还没开始", func(r *chat.Rule) { r.StartsAt = at + 1 }))
		add("r7", rule(chat.Contains, "中秋", "已经结束", func(r *chat.Rule) { r.EndsAt = at }))
		add("r8", rule(chat.Contains, "停用", "停用的", func(r *chat.Rule) { r.Enabled = false }))
		add("r9", rule(chat.Contains, "月饼", "低", func(r *chat.Rule) { r.Priority = -1 }))
		add("r10", rule(chat.Contains, "送月饼", "高", func(r *chat.Rule) { r.Priority = 1 }))
		add("r11", rule(chat.Exact, "SPRING", "菜单上的活动"))
		add("r12", rule(chat.Contains, "🧧", "表情红包"))
		if err := replica.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		k := newTalk(t, w, pool, dbtest.EmbeddedRedis(t), replica, plainOptions)
		for _, tt := range []struct{ says, want string }{
			{"查话费！", "话费周公告"}, {"查话费余额", "话费余额 45.30元"}, {"抢红包啦", "红包雨"}, {"我要抢红包", "现在没有进行中的红包活动"},
			{"今年春节干啥", "春节活动"}, {"春节流量", "更长的关键词"}, {"元宵", "这句我没看明白"}, {"中秋", "这句我没看明白"},
			{"停用", "这句我没看明白"}, {"送月饼吗", "高"}, {"🧧🧧", "表情红包"}, {"ｓｐｒｉｎｇ", "菜单上的活动"},
		} {
			if got := k.says(t, tt.says); !strings.HasPrefix(got, tt.want) {
				t.Errorf("%q is answered %q, want %q", tt.says, got, tt.want)
			}
		}
		in := k.inbound(model.InClick)
		in.EventKey = "SPRING"
		if got := k.gets(t, in).Text; got != "菜单上的活动" {
			t.Errorf("the tap is answered %q, want the rule's answer", got)
		}
		festival.Content = model.Text("新的春节活动")
		if _, err := rules.Change(t.Context(), 1, festival); err != nil {
			t.Fatal(err)
		}
		if got := k.says(t, "春节"); got != "春节活动" {
			t.Errorf("before the poll %q, want the old answer", got)
		}
		if err := replica.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := k.says(t, "春节"); got != "新的春节活动" {
			t.Errorf("after the poll %q, want the new answer", got)
		}
	})
}

func TestRulesAreKeptOnce(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
		rules := newRules(t, pool)
		first, err := rules.Add(t.Context(), 1, rule(chat.Exact, "a", "甲"), "r1")
		if err != nil {
			t.Fatal(err)
		}
		again, err := rules.Add(t.Context(), 1, rule(chat.Exact, "a", "甲"), "r1")
		if err != nil || !reflect.DeepEqual(again, first) {
			t.Errorf("repeat = %+v, %v, want %+v", again, err, first)
		}
		if _, err := rules.Add(t.Context(), 1, rule(chat.Exact, "a", "乙"), "r1"); !errors.Is(err, chat.ErrRuleRequest) {
			t.Errorf("another rule with the same request = %v, want %v", err, chat.ErrRuleRequest)
		}
		if got, err := rules.Get(t.Context(), first.ID); err != nil || !reflect.DeepEqual(got, first) {
			t.Errorf("Get = %+v, %v, want %+v", got, err, first)
		}
		if list, _, err := rules.List(t.Context(), "", 10); err != nil || len(list) != 1 {
			t.Errorf("List = %d rules, %v, want 1", len(list), err)
		}
		if list, _, err := rules.List(t.Context(), page.Cursor(int64(first.ID)), 10); err != nil || len(list) != 0 {
			t.Errorf("List after the last = %d rules, %v, want 0", len(list), err)
		}
		if err := rules.Drop(t.Context(), 1, first.ID); err != nil {
			t.Errorf("Drop = %v, want nil", err)
		}
		_, missing := rules.Get(t.Context(), first.ID)
		_, changed := rules.Change(t.Context(), 1, first)
		for name, err := range map[string]error{"Get": missing, "Change": changed, "Drop": rules.Drop(t.Context(), 1, first.ID)} {
			if !errors.Is(err, chat.ErrRuleMissing) {
				t.Errorf("%s of a dropped rule = %v, want %v", name, err, chat.ErrRuleMissing)
			}
		}
	})
}

func TestOfTwoWhoEditARuleTheLaterIsToldAndNothingIsLost(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
		rules, replica := newRules(t, pool), newRules(t, pool)
		read, err := rules.Add(t.Context(), 1, rule(chat.Exact, "套餐", "看看套餐"), "r1")
		if err != nil || read.Version != 1 {
			t.Fatalf("added as version %d, %v, want 1", read.Version, err)
		}
		faster, later := read, read
		faster.Content, later.Content = model.Text("新春套餐"), model.Text("老套餐")
		first, err := rules.Change(t.Context(), 2, faster)
		if err != nil || first.Version != 2 || first.Content.Text != "新春套餐" || first.CreatedAt != read.CreatedAt {
			t.Fatalf("Change = %+v, %v, want the new rule as version 2", first, err)
		}
		if _, err := replica.Change(t.Context(), 3, later); !errors.Is(err, chat.ErrRuleOld) {
			t.Errorf("the later Change = %v, want %v", err, chat.ErrRuleOld)
		}
		if got, err := rules.Get(t.Context(), read.ID); err != nil || !reflect.DeepEqual(got, first) {
			t.Errorf("Get = %+v, %v, want what the faster one wrote: %+v", got, err, first)
		}
		later.Version = first.Version
		if got, err := replica.Change(t.Context(), 3, later); err != nil || got.Version != 3 {
			t.Errorf("Change of what was read again = version %d, %v, want 3", got.Version, err)
		}
	})
}

func TestABadRuleIsRefusedWithTheReason(t *testing.T) {
	rules := newRules(t, dbtest.SQLite(t))
	news := func(articles ...model.Article) func(*chat.Rule) {
		return func(r *chat.Rule) { r.Content = model.Content{Kind: model.NewsContent, Articles: articles} }
	}
	content := func(c model.Content) func(*chat.Rule) { return func(r *chat.Rule) { r.Content = c } }
	good := model.Article{Title: "题", URL: "https://example.com/a"}
	for _, tt := range []struct {
		name   string
		change func(*chat.Rule)
		want   string // "" when it is taken
	}{
		{"news", news(good), ""},
		{"image", content(model.Content{Kind: model.ImageContent, MediaID: "m"}), ""},
		{"card", content(model.Content{Kind: model.CardContent, Title: "题", AppID: "wx", Page: "pages/a", ThumbID: "t"}), ""},
		{"longest text", content(model.Text(strings.Repeat("a", model.MaxText))), ""},
		{"way", func(r *chat.Rule) { r.How = "regexp" }, "匹配方式"},
		{"no pattern", func(r *chat.Rule) { r.Pattern = "" }, "至少要有一个字"},
		{"only punctuation", func(r *chat.Rule) { r.Pattern = "。，！ " }, "至少要有一个字"},
		{"long pattern", func(r *chat.Rule) { r.Pattern = strings.Repeat("测", 65) }, "最多 64个字"},
		{"broken pattern", func(r *chat.Rule) { r.Pattern = "a\xff" }, "最多 64个字"},
		{"priority", func(r *chat.Rule) { r.Priority = 1001 }, "优先级"},
		{"ends before it starts", func(r *chat.Rule) { r.StartsAt, r.EndsAt = 2, 2 }, "结束时间"},
		{"negative time", func(r *chat.Rule) { r.StartsAt = -1 }, "有效期"},
		{"empty text", content(model.Text(" \n")), "回复文字"},
		{"long text", content(model.Text(strings.Repeat("测", 683))), "回复文字"},
		{"image without id", content(model.Content{Kind: model.ImageContent}), "素材编号"},
		{"voice", content(model.Content{Kind: model.VoiceContent, MediaID: "m"}), "图文或小程序卡片"},
		{"two articles", news(good, good), "只有一篇"},
		{"script", news(model.Article{Title: "题", URL: "javascript:alert(1)"}), "https://"},
		{"no title", news(model.Article{URL: "https://example.com"}), "标题"},
		{"card without page", content(model.Content{Kind: model.CardContent, Title: "题", AppID: "wx", ThumbID: "t"}), "页面路径"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := rule(chat.Exact, "a", "甲", tt.change)
			_, err := rules.Add(t.Context(), 1, r, model.RequestID("r"+strings.ReplaceAll(tt.name, " ", "-")))
			if tt.want == "" {
				if err != nil {
					t.Fatalf("Add = %v, want nil", err)
				}
				return
			}
			if !errors.Is(err, chat.ErrRule) || !strings.Contains(fault.Of(err).Text, tt.want) {
				t.Errorf("Add = %v %q, want %v with %q", err, fault.Of(err).Text, chat.ErrRule, tt.want)
			}
		})
	}
	if _, err := rules.Add(t.Context(), 1, rule(chat.Exact, "a", "甲"), "a b"); !errors.Is(err, chat.ErrRule) {
		t.Errorf("Add with a bad request id = %v, want %v", err, chat.ErrRule)
	}
}

func TestAReplicaFollowsByPolling(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
		ids, err := model.NewIDs(3, time.Now)
		if err != nil {
			t.Fatal(err)
		}
		replica := chat.NewRules(pool, ids, time.Now, slog.New(slog.DiscardHandler), chat.RulesOptions{Poll: time.Millisecond})
		ctx, stop := context.WithTimeout(t.Context(), time.Minute)
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			replica.Run(ctx)
		}()
		k := newTalk(t, newWorld(t), pool, dbtest.EmbeddedRedis(t), replica, plainOptions)
		if _, err := newRules(t, pool).Add(t.Context(), 1, rule(chat.Exact, "开门红", "红包来了"), "r1"); err != nil {
			t.Fatal(err)
		}
		for k.says(t, "开门红") != "红包来了" {
			if ctx.Err() != nil {
				t.Fatal("the rule did not reach the replica within a minute")
			}
		}
		stop()
		<-ended
	})
}
