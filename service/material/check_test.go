package material

import (
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"kaimenhong/model"
)

var pictures = map[model.ID]Picture{7: {ID: 7, MediaID: "m7", URL: "https://mmbiz.qpic.cn/7"}, 8: {ID: 8}}

func article(title string) Entry {
	return Entry{Title: title, Picture: 7, URL: "https://kaimenhong.example/home"}
}

func TestABodyIsRefusedInWordsThatSayWhatToDo(t *testing.T) {
	service := Template{ID: 3, Channel: model.TemplateChannel, WeChatID: "T", Fields: []Field{{"thing1", "业务名称", ""}, {"amount2", "金额", ""}}}
	mini := Template{ID: 4, Channel: model.MiniChannel, WeChatID: "M", Fields: []Field{{"thing1", "活动", ""}, {"phrase2", "状态", ""}}}
	for _, tt := range []struct {
		name  string
		kind  Kind
		body  Body
		tpl   Template
		field string // of the first problem; "" for none
		says  string
	}{
		{"a text", Text, Body{Text: "{{称呼|您}}好\n祝春节快乐"}, Template{}, "", ""},
		{"an empty text", Text, Body{}, Template{}, "text", "不能为空"},
		{"a variable without a fallback", Text, Body{Text: "{{称呼}}好"}, Template{}, "text", "备用文字"},
		{"an unknown variable", Text, Body{Text: "{{昵称|您}}好"}, Template{}, "text", "没有名为“昵称”的变量"},
		{"a variable that is not closed", Text, Body{Text: "{{称呼|您好"}, Template{}, "text", "缺少“}}”"},
		{"a variable that is not opened", Text, Body{Text: "称呼}}您好"}, Template{}, "text", "缺少“{{”"},
		{"2,048 bytes", Text, Body{Text: strings.Repeat("春", 682) + "ab"}, Template{}, "", ""},
		{"2,049 bytes", Text, Body{Text: strings.Repeat("春", 683)}, Template{}, "text", "2048字节"},
		{"a link", Text, Body{Text: `点<a href="https://kaimenhong.example/a?b=1">这里</a>`}, Template{}, "", ""},
		{"a script", Text, Body{Text: "<script>alert(1)</script>"}, Template{}, "text", "标签"},
		{"a link that runs a script", Text, Body{Text: `<a href="javascript:alert(1)">x</a>`}, Template{}, "text", "标签"},
		{"a link with an event", Text, Body{Text: `<a href="https://a.example" onclick="x()">x</a>`}, Template{}, "text", "标签"},
		{"a variable within a link's address", Text, Body{Text: `<a href="https://a.example/{{城市|x}}">x</a>`}, Template{}, "text", "标签"},
		{"a link that is not closed", Text, Body{Text: `<a href="https://a.example">x`}, Template{}, "text", "</a>"},
		{"a control character", Text, Body{Text: "春节\x07快乐"}, Template{}, "text", "控制字符"},
		{"a text written backwards", Text, Body{Text: "春节\u202e快乐"}, Template{}, "text", "控制字符"},
		{"an old number without its time", Text, Body{Text: "余额{{余额|请查询}}"}, Template{}, "variables", "余额时间"},
		{"a title beside a text", Text, Body{Text: "好", Title: "好"}, Template{}, "title", "没有这一项"},
		{"one article", News, Body{Articles: []Entry{article("回家")}}, Template{}, "", ""},
		{"nine articles", News, Body{Articles: make([]Entry, 9)}, Template{}, "articles", "1到8篇"},
		{"no article", News, Body{}, Template{}, "articles", "1到8篇"},
		{"a title of 65 characters", News, Body{Articles: []Entry{article(strings.Repeat("春", 65))}}, Template{}, "articles[0].title", "不能超过64个字"},
		{"an article of http", News, Body{Articles: []Entry{{Title: "回家", Picture: 7, URL: "http://a.example"}}}, Template{}, "articles[0].url", "https://"},
		{"an article without a picture", News, Body{Articles: []Entry{{Title: "回家", URL: "https://a.example"}}}, Template{}, "articles[0].picture", "请选择图片"},
		{"a picture that WeChat does not have", Image, Body{Picture: 8}, Template{}, "picture", "尚未上传"},
		{"a card", Card, Body{Title: "众筹红包", Picture: 7, AppID: "wx1234567890abcdef", Page: "pages/pot/index?game=1"}, Template{}, "", ""},
		{"a card without an app", Card, Body{Title: "众筹红包", Picture: 7, Page: "pages/pot/index"}, Template{}, "appId", "18位"},
		{"a card whose page leaves", Card, Body{Title: "红包", Picture: 7, AppID: "wx1234567890abcdef", Page: "https://a.example"}, Template{}, "page", "页面路径"},
		{"a service notice", Notice, Body{Template: 3, Fields: map[string]string{"thing1": "话费充值", "amount2": "¥100.00"}}, service, "", ""},
		{"no template", Notice, Body{Fields: map[string]string{"thing1": "话费充值"}}, Template{}, "template", "请选择模板"},
		{"a missing field", Notice, Body{Template: 3, Fields: map[string]string{"thing1": "话费充值"}}, service, "fields.amount2", "缺少字段“金额”"},
		{"a field too many", Notice, Body{Template: 3, Fields: map[string]string{"thing1": "充值", "amount2": "1元", "date3": "x"}}, service, "fields.date3", "没有这个字段"},
		{"a thing of 21 characters", Notice, Body{Template: 3, Fields: map[string]string{"thing1": strings.Repeat("春", 21), "amount2": "1"}}, service, "fields.thing1", "20个以内"},
		{"an amount in words", Notice, Body{Template: 3, Fields: map[string]string{"thing1": "充值", "amount2": "一百元"}}, service, "fields.amount2", "金额"},
		{"a marketing word", Notice, Body{Template: 3, Fields: map[string]string{"thing1": "限时优惠", "amount2": "1"}}, service, "fields.thing1", "营销词“优惠”"},
		{"a marketing word in disguise", Notice, Body{Template: 3, Fields: map[string]string{"thing1": "优 惠*多", "amount2": "1"}}, service, "fields.thing1", "营销词"},
		{"marketing through a fallback", Notice, Body{Template: 3, Fields: map[string]string{"thing1": "{{套餐|抢购}}", "amount2": "1"}}, service, "fields.thing1", "营销词"},
		{"marketing where it is allowed", Notice, Body{Template: 4, Fields: map[string]string{"thing1": "限时优惠", "phrase2": "进行中"}}, mini, "", ""},
		{"a phrase with digits", Notice, Body{Template: 4, Fields: map[string]string{"thing1": "春节", "phrase2": "5折"}}, mini, "fields.phrase2", "纯汉字"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := compile(tt.kind, tt.body, outside{pictures, tt.tpl})
			if tt.field == "" {
				if broken(c.problems) {
					t.Fatalf("problems = %+v, want none", c.problems)
				}
				return
			}
			if len(c.problems) == 0 || c.problems[0].Field != tt.field || !strings.Contains(c.problems[0].Text, tt.says) {
				t.Fatalf("problems = %+v, want %s: …%s…", c.problems, tt.field, tt.says)
			}
		})
	}
}

func TestFieldsTakeWhatWeChatTakes(t *testing.T) {
	for _, tt := range []struct {
		field, value string
		good         bool
	}{
		{"number1", "12.5", true}, {"number1", "12个", false}, {"number1", strings.Repeat("1", 33), false},
		{"letter1", "abc", true}, {"letter1", "a1", false},
		{"symbol1", "!?", true}, {"symbol1", "a", false},
		{"character_string1", "A-12", true}, {"character_string1", "单号", false},
		{"time1", "15:01", true}, {"time1", "2026年2月17日 15:01", true}, {"time1", "15:01~16:00", true}, {"time1", "下午", false}, {"time1", "25:00", false},
		{"date1", "2026年2月17日", true}, {"date1", "2026-02-17", true}, {"date1", "2月17日", true}, {"date1", "2026年2月17日~2026年2月20日", true}, {"date1", "春节", false},
		{"amount1", "¥1234567890.12", true}, {"amount1", "50元", true}, {"amount1", "12345678901", false}, {"amount1", "五十", false},
		{"phone_number1", "+86-10086", true}, {"phone_number1", "一零零八六", false},
		{"car_number1", "粤A8Z888挂", true}, {"car_number1", "京A123456789", false},
		{"name1", "张三", true}, {"name1", strings.Repeat("张", 11), false}, {"name1", strings.Repeat("a", 20), true}, {"name1", "张" + strings.Repeat("a", 10), false},
		{"phrase1", "配送中", true}, {"phrase1", "正在配送中呢", false}, {"phrase1", "OK", false},
		{"thing1", "", false}, {"thing1", " ", false}, {"thing1", "a\nb", false}, {"thing20", strings.Repeat("春", 20), true},
		{"hologram1", "x", false},
	} {
		if why := wrongField(tt.field, tt.value); (why == "") != tt.good {
			t.Errorf("%s = %q: %q, want good = %v", tt.field, tt.value, why, tt.good)
		}
	}
}

func TestAChannelTakesWhatItCan(t *testing.T) {
	mini := Template{ID: 4, Channel: model.MiniChannel, Fields: []Field{{"thing1", "活动", ""}}}
	two := Body{Articles: []Entry{article("一"), article("二")}}
	for _, tt := range []struct {
		name string
		kind Kind
		body Body
		tpl  Template
		want []model.Channel
	}{
		{"a plain text", Text, Body{Text: "好"}, Template{}, []model.Channel{model.CustomChannel, Reply, model.MassChannel}},
		{"a text with a variable", Text, Body{Text: "{{称呼|您}}好"}, Template{}, []model.Channel{model.CustomChannel, Reply}},
		{"two articles", News, two, Template{}, []model.Channel{Reply}},
		{"an article of the account's library", News, Body{LibraryID: "L1"}, Template{}, []model.Channel{model.CustomChannel, model.MassChannel}},
		{"a card", Card, Body{Title: "红包"}, Template{}, []model.Channel{model.CustomChannel}},
		{"a subscribe message", Notice, Body{Template: 4, Fields: map[string]string{"thing1": "回家"}}, mini, []model.Channel{model.MiniChannel}},
	} {
		var got []model.Channel
		for _, f := range compile(tt.kind, tt.body, outside{pictures, tt.tpl}).fits() {
			if f.Why == "" {
				got = append(got, f.Channel)
			}
		}
		if len(got) != len(tt.want) || strings.Join(words(got), " ") != strings.Join(words(tt.want), " ") {
			t.Errorf("%s goes through %v, want %v", tt.name, got, tt.want)
		}
	}
}

func words(channels []model.Channel) (out []string) {
	for _, c := range channels {
		out = append(out, string(c))
	}
	return out
}

// Whatever the values are, a message that was published fits its channel.
func TestRapidAMessageAlwaysFits(t *testing.T) {
	tpl := Template{ID: 4, Channel: model.MiniChannel, Fields: []Field{{"thing1", "活动", ""}, {"phrase2", "等级", ""}, {"number3", "积分", ""}}}
	notice := compile(Notice, Body{Template: 4, Fields: map[string]string{
		"thing1": "{{称呼|您}}的{{套餐|套餐}}", "phrase2": "{{等级|会员}}", "number3": "{{积分|0}}",
	}}, outside{nil, tpl})
	text := compile(Text, Body{Text: `<a href="https://a.example/">{{称呼|您}}` + strings.Repeat("春", 600) + `</a>{{城市|家}}{{积分|0}}`}, outside{})
	if broken(notice.problems) || broken(text.problems) {
		t.Fatalf("problems: %v %v", notice.problems, text.problems)
	}
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.MapOf(rapid.SampledFrom([]string{"称呼", "套餐", "等级", "积分", "城市"}), rapid.String()).Draw(t, "values")
		m, _ := notice.message(values)
		for name, value := range m.Data {
			if why := wrongField(name, value); why != "" {
				t.Fatalf("%s = %q: %s", name, value, why)
			}
		}
		m, _ = text.message(values)
		s := m.Content.Text
		if len(s) > model.MaxText || !utf8.ValidString(s) || strings.Count(s, "<") != 2 || unprintable(s, "") != "" {
			t.Fatalf("a text of %d bytes: %q", len(s), s)
		}
	})
}

func FuzzWording(f *testing.F) {
	for _, s := range []string{"{{称呼|您}}好", "{{", "}}", "{{积分|0}}{{今天}}", "{{{{称呼|a}}}}", `<a href="https://a.example">{{城市|x}}</a>`, "{{余额|}}{{余额时间|}}"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		c := compile(Text, Body{Text: s}, outside{})
		m, _ := c.message(map[string]string{"称呼": "<b>", "积分": "1", "城市": "南\n京"})
		if !broken(c.problems) && (m.Content.Text == "" || len(m.Content.Text) > model.MaxText || strings.Contains(m.Content.Text, "<b>") || strings.Contains(m.Content.Text, "{{")) {
			t.Fatalf("%q passed and says %q", s, m.Content.Text)
		}
	})
}

// broken tells whether a problem forbids publication.
func broken(problems []Problem) bool {
	for _, p := range problems {
		if !p.Hint {
			return true
		}
	}
	return false
}
