package chat

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"kaimenhong/model"
)

// cut shortens a text to what WeChat takes: at a line, so that no link is torn.
func cut(s string) string {
	const more = "\n…"
	if len(s) <= model.MaxText {
		return s
	}
	if line := strings.LastIndexByte(s[:model.MaxText-len(more)], '\n'); line > 0 {
		return s[:line] + more
	}
	return model.CutText(s)
}

// tap is a piece of text that sends words when it is tapped.
func (c *Chat) tap(label, words string) string {
	if c.opts.PlainText {
		return label
	}
	return `<a href="weixin://bizmsgmenu?msgmenucontent=` + words + `&msgmenuid=1">` + label + `</a>`
}

// link is a piece of text that opens where the intent leads on to; "" when that
// is nowhere.
func (c *Chat) link(i Intent, label string) string {
	l, ok := c.opts.Links[i]
	switch {
	case !ok:
		return ""
	case l.AppID != "":
		return fmt.Sprintf(`<a data-miniprogram-appid="%s" data-miniprogram-path="%s" href="%s">%s</a>`,
			attribute(l.AppID), attribute(l.Page), attribute(l.URL), label)
	}
	return fmt.Sprintf(`<a href="%s">%s</a>`, attribute(l.URL), label)
}

// attribute keeps a configured value within its quotes.
func attribute(s string) string {
	return strings.NewReplacer(`"`, "%22", "<", "%3C", ">", "%3E").Replace(s)
}

// maxName is the length, in runes, of a name that comes from the carrier.
const maxName = 40

// plain makes a name from outside fit for a reply: one line, no markup, not long.
func plain(s string) string {
	s = strings.NewReplacer("<", "＜", ">", "＞", "\n", " ", "\r", " ").Replace(strings.ToValidUTF8(s, ""))
	if runes := []rune(s); len(runes) > maxName {
		return string(runes[:maxName]) + "…"
	}
	return s
}

// leads are the answers that are given elsewhere: what is said, the words on the
// link, and what is said where no link is set up.
var leads = map[Intent]struct{ text, label, without string }{
	TopUp:  {"聊天里不能直接付款充值；有积分可以换话费和流量。", "看充值方式", "请到营业厅缴费，要人帮忙就发送“人工”。"},
	Redeem: {"积分可以换话费、流量和礼品。", "点这里兑换", "请在小程序的“积分商城”里兑换，先看积分就发送“查积分”。"},
	Deals:  {"当前的优惠都在这里，能不能参加一看就知道。", "看看特惠", "请在小程序的“特惠”里看，要人介绍就发送“人工”。"},
	Points: {"积分在小程序里看，还能直接兑换。", "看我的积分", "请在小程序的“我的”里看积分，要人帮忙就发送“人工”。"},
}

// leadOn says where something is done.
func (c *Chat) leadOn(i Intent) string {
	lead := leads[i]
	if link := c.link(i, lead.label); link != "" {
		return lead.text + "\n" + link
	}
	return lead.text + "\n" + lead.without
}

// next is the one next step after a number: a link where there is one, words that
// can be tapped otherwise.
func (c *Chat) next(i Intent, label string) string {
	if link := c.link(i, label); link != "" {
		return "\n" + link
	}
	return "\n" + c.tap(label, names[i])
}

// help says what can be asked.
func (c *Chat) help(t *turn) model.Content {
	content := c.choose(t, "直接说就行，例如“话费还剩多少”“这个月流量用了多少”；也可以", menuChoices)
	if !t.member.Bound() {
		t.after.Binding = awaitPhone
		content.Text += "\n先绑定手机号更方便：直接发送您的11位手机号。"
	}
	return content
}

// puzzled answers what was not understood.
func (c *Chat) puzzled(t *turn) model.Content {
	return c.choose(t, t.untouched()+"这句我没看明白，换个说法，或者", menuChoices)
}

// wordless answers a message without a word in it.
func (c *Chat) wordless(t *turn) model.Content {
	if !t.said.symbols {
		return c.choose(t, t.untouched()+"收到一条空白消息。", menuChoices)
	}
	return c.choose(t, "收到您的表情啦😊 "+t.untouched()+"想办哪一项？", menuChoices)
}

// notRead answers what is no text.
func (c *Chat) notRead(ctx context.Context, in model.Inbound) (model.Content, error) {
	t, err := c.begin(ctx, in)
	if err != nil {
		return model.Content{}, err
	}
	c.count("", unknown)
	what := map[model.InboundKind]string{
		model.InImage: "图片我还看不懂", model.InVoice: "这段语音我没听清", model.InVideo: "视频我还看不懂",
		model.InShortVideo: "视频我还看不懂", model.InLocation: "位置收到了，不过我还用不上", model.InLink: "链接我打不开",
	}[in.Kind]
	content := model.Text(what + "，请用文字说，或者看看" + c.tap("帮助", names[Help]) + "、找" + c.tap("人工", names[Human]) + "。")
	if t.before.Topic == awaitFeedback {
		t.after = t.before
		content = model.Text(what + "。请把意见写成一条文字消息，不想写了回复“取消”。")
	}
	c.remember(ctx, t)
	return content, nil
}

// private answers a question about somebody else's number.
func (c *Chat) private(t *turn, i Intent) model.Content {
	mine := ""
	if t.member.Bound() {
		mine = "\n查您自己的：" + c.tap(names[i], names[i])
	}
	return model.Text("为了保护隐私，只能查绑定到您微信的号码。请机主本人用微信关注我们并绑定后查询。" + mine)
}

// askPhone answers a question of somebody without a number, and remembers it.
func (c *Chat) askPhone(t *turn, want Intent) model.Content {
	t.after.Binding, t.after.Want = awaitPhone, want
	if want == Balance && read(t.said).live.has(aStop) {
		return model.Text("停机是不是因为欠费，绑定手机号就能查：直接发送您的11位手机号，收到短信验证码后发给我。\n停机后收不到短信验证码，就找" + c.human() + "。")
	}
	return model.Text("先绑定手机号才能" + names[want] + "，一分钟就好：直接发送您的11位手机号，收到短信验证码后发给我，马上告诉您结果。")
}

// transfer hands over to people while they are there.
func (c *Chat) transfer(t *turn) model.Content {
	if c.opts.Hours.open(c.Now()) {
		return model.Content{Kind: model.TransferContent}
	}
	t.after.Topic = awaitFeedback
	urgent := ""
	if c.opts.Hotline != "" {
		urgent = "急事请拨打 " + c.opts.Hotline + "。"
	}
	return model.Text("人工客服在" + c.opts.Hours.String() + " 为您服务，现在不在线。" + urgent + "\n您可以把问题写在下一条消息里，我会记下来，上班后优先处理；不留言就回复“取消”。")
}

// open tells whether people are there.
func (h Hours) open(now time.Time) bool {
	now = now.In(model.Shanghai)
	if len(h.Days) > 0 && !slices.Contains(h.Days, now.Weekday()) {
		return false
	}
	at := now.Sub(model.DayOf(now).Start())
	return at >= h.Open && at < h.Close
}

// String says the hours: 每天 08:00–22:00, 周一、周二 09:00–18:00.
func (h Hours) String() string {
	days := "每天"
	if len(h.Days) > 0 && len(h.Days) < 7 {
		var named []string
		for _, d := range h.Days {
			named = append(named, "周"+[...]string{"日", "一", "二", "三", "四", "五", "六"}[d%7])
		}
		days = strings.Join(named, "、")
	}
	clock := func(d time.Duration) string { return fmt.Sprintf("%02d:%02d", int(d.Hours()), int(d.Minutes())%60) }
	return days + " " + clock(h.Open) + "–" + clock(h.Close)
}
