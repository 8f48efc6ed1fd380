package chat

import (
	"cmp"
	"context"
	"fmt"
	"regexp"
	"strings"

	"kaimenhong/model"
)

// maxOffers is how many gifts one list shows.
const maxOffers = 5

// redeemList is the first of three taps: what the member can have now.
func (c *Chat) redeemList(ctx context.Context, t *turn) (model.Content, error) {
	if c.Gifts == nil || c.Points == nil {
		return model.Text(c.leadOn(Redeem)), nil
	}
	if !t.member.Bound() {
		return c.askPhone(t, Redeem), nil
	}
	if redeemed.MatchString(t.said.words()) {
		return model.Text(c.whereRedeemed()), nil
	}
	bounded, cancel := context.WithTimeout(ctx, c.opts.Timeout)
	defer cancel()
	p, err := c.Points.PointsBalance(bounded, t.member.ID)
	if err != nil {
		return c.refusedGift(err)
	}
	offers, err := c.Gifts.Affordable(bounded, t.member, p.Available, maxOffers)
	if err != nil {
		return c.refusedGift(err)
	}
	if len(offers) == 0 {
		return model.Text(fmt.Sprintf("您有 %d积分，现在还没有能直接兑换的礼品，攒一攒再来看看。", p.Available) + c.wholeMall()), nil
	}
	t.after.Topic, t.after.Offers = choosingGift, offers
	var b strings.Builder
	fmt.Fprintf(&b, "您有 %d积分，现在就能换，回复数字：", p.Available)
	for n, o := range offers {
		label := fmt.Sprintf("%d %s（%d积分）", n+1, plain(o.Title), o.Points)
		b.WriteString("\n" + c.tap(label, fmt.Sprintf("兑换%d", n+1)))
	}
	return model.Text(b.String() + c.wholeMall()), nil
}

// redeemed asks for what was redeemed before.
var redeemed = regexp.MustCompile(`快递|物流|包裹|发货|到哪|(没|没有|未)(收到|到账|发货|给我)|还没(有)?到|(兑换|换)的?(记录|进度|明细|历史)|(什么时候|啥时候|多久|几天)(能)?(到|发|给)`)

// whereRedeemed tells where the state of what was redeemed is seen.
func (c *Chat) whereRedeemed() string {
	link := c.link(Redeem, "打开小程序")
	if link == "" {
		return "兑换的进度请找" + c.human() + "查。"
	}
	return "兑换的进度和快递单号，在小程序“我的”→“兑换记录”里看；到了说好的时间还没有，就找" + c.human() + "。\n" + link
}

// wholeMall leads to every gift; "" where there is no link.
func (c *Chat) wholeMall() string {
	if link := c.link(Redeem, "看全部礼品"); link != "" {
		return "\n" + link
	}
	return ""
}

// refusedGift says what the ledger or the mall refused; what is ours stays an error.
func (c *Chat) refusedGift(err error) (model.Content, error) {
	text, err := plainly(err)
	if err != nil {
		return model.Content{}, fmt.Errorf("redeem: %w", err)
	}
	return model.Text(text), nil
}

// chosenGift is the second tap: one gift of the list, and what it costs.
func (c *Chat) chosenGift(ctx context.Context, t *turn, said string) (model.Content, bool, error) {
	n := ordinal(strings.TrimPrefix(said, "兑换"), len(t.before.Offers))
	if n == 0 && !understand(t.said, c.opts.Carrier).Sure {
		n = t.giftNamed(said)
	}
	if n == 0 {
		return model.Content{}, false, nil
	}
	c.count(Redeem, understood)
	if n > len(t.before.Offers) {
		content, err := c.redeemList(ctx, t)
		return content, true, err
	}
	if !t.member.Bound() { // meanwhile
		return c.askPhone(t, Redeem), true, nil
	}
	return c.askRedeem(t, t.before.Offers[n-1]), true, nil
}

// giftNamed is the number of the only gift that is named so; 0 for none or several.
func (t *turn) giftNamed(said string) (number int) {
	for _, before := range []string{"那", "就", "我", "要", "想", "换", "兑换"} {
		said = strings.TrimPrefix(said, before)
	}
	said = strings.TrimSuffix(strings.TrimSuffix(said, "吧"), "那个")
	if len([]rune(said)) < 2 {
		return 0
	}
	for n, o := range t.before.Offers {
		if !strings.Contains(fold(o.Title).words(), said) {
			continue
		}
		if number > 0 {
			return 0
		}
		number = n + 1
	}
	return number
}

// askRedeem asks before points are taken.
func (c *Chat) askRedeem(t *turn, o model.Offer) model.Content {
	t.after.Topic, t.after.Offers, t.after.Phone, t.after.Asked = awaitRedeem, []model.Offer{o}, t.member.Phone.Masked(), t.in.Key
	return model.Text(fmt.Sprintf("用 %d积分兑换“%s”，给 %s，确定吗？\n%s　%s",
		o.Points, plain(o.Title), t.member.Phone.Masked(), c.tap("确认兑换", confirmWords(o)), c.tap("取消", "取消")))
}

// confirmWords name the gift, so that a tap on an older question agrees to nothing
// else. They are part of an address: what has a meaning there is left out.
func confirmWords(o model.Offer) string {
	return "确认兑换" + strings.NewReplacer("&", "", "=", "", "#", "", "%", "", "?", "", "+", "", `"`, "", " ", "").Replace(plain(o.Title))
}

// confirmedGift is the third tap.
func (c *Chat) confirmedGift(ctx context.Context, t *turn, said string) (model.Content, bool, error) {
	if len(t.before.Offers) != 1 {
		return model.Content{}, false, nil
	}
	o := t.before.Offers[0]
	if said != string(fold(confirmWords(o)).runes) && !t.agrees("换", "兑", "兑换") {
		return model.Content{}, false, nil
	}
	c.count(Redeem, understood)
	if t.otherPhone() {
		return c.askRedeem(t, o), true, nil
	}
	t.after = thread{}
	switch {
	case c.Gifts == nil:
		return model.Text(c.leadOn(Redeem)), true, nil
	case !t.member.Bound():
		return c.askPhone(t, Redeem), true, nil
	}
	// Who taps twice says yes twice to one question, at once: it is one redemption.
	got, err := c.Gifts.Redeem(ctx, t.member, o, cmp.Or(t.before.Asked, t.in.Key))
	if err != nil {
		content, err := c.refusedGift(err)
		if err == nil {
			content.Text += "\n" + c.tap("看看还能换什么", names[Redeem])
		}
		return content, true, err
	}
	return model.Text(c.handedOver(t, got)), true, nil
}

// handedOver says where the gift is.
func (c *Chat) handedOver(t *turn, got model.Redeemed) string {
	text := fmt.Sprintf("兑换成功：%s，用了 %d积分。", plain(got.Title), got.Points)
	switch {
	case got.Code != "":
		text += "\n券码：" + plain(got.Code) + "\n请妥善保管，也可以在小程序“我的兑换”里查看。"
	case got.AppID != "":
		text += "\n" + fmt.Sprintf(`<a data-miniprogram-appid="%s" data-miniprogram-path="%s" href="https://mp.weixin.qq.com">点这里使用</a>`, attribute(got.AppID), attribute(got.Page))
	case !got.Done:
		text += "\n正在为 " + t.member.Phone.Masked() + " 办理，一般几分钟内到账；没办成积分会自动退回，并告诉您。\n" + c.tap("查流量", names[Usage]) + "　" + c.tap("查积分", names[Points])
	}
	return text
}
