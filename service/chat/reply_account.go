package chat

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"kaimenhong/model"
)

// readAll answers with the numbers of one intent or of two, asked for at the same
// time.
func (c *Chat) readAll(ctx context.Context, t *turn, intents []Intent) (model.Content, error) {
	for _, i := range intents {
		if i != Points && !t.member.Bound() {
			return c.askPhone(t, i), nil
		}
	}
	bounded, cancel := context.WithTimeout(ctx, c.opts.Timeout)
	defer cancel()
	parts := make([]string, len(intents))
	read := func(n int) error {
		i := intents[n]
		err := model.Guarded(func() (err error) {
			parts[n], err = c.read(bounded, t, i)
			return err
		})
		if err != nil && errors.Is(bounded.Err(), context.DeadlineExceeded) && ctx.Err() == nil {
			parts[n], err = "查询用时太久，请过几分钟再发送“"+names[i]+"”。", nil
		}
		return err
	}
	var group errgroup.Group
	for n := range intents[1:] {
		group.Go(func() error { return read(n + 1) })
	}
	first := read(0) // here, for most ask for one
	if first != nil {
		cancel()
	}
	if err := cmp.Or(first, group.Wait()); err != nil {
		return model.Content{}, err
	}
	return model.Text(strings.Join(parts, "\n\n")), nil
}

// read answers with one number; what the carrier or the ledger refuses is said.
func (c *Chat) read(ctx context.Context, t *turn, i Intent) (string, error) {
	var text string
	var err error
	switch i {
	case Balance:
		text, err = c.balance(ctx, t)
	case Usage:
		text, err = c.usage(ctx, t.member.Phone)
	case Plan:
		text, err = c.plan(ctx, t.member.Phone)
	case Bill:
		text, err = c.bill(ctx, t)
	default:
		text, err = c.points(ctx, t.member)
	}
	if err != nil {
		refused, err := plainly(err)
		if err != nil {
			return "", fmt.Errorf("read %s: %w", i, err)
		}
		return refused, nil
	}
	return text, nil
}

// asOf says how old a number is, after it: nothing while it is fresh.
func (c *Chat) asOf(at model.Millis, stale bool) string {
	switch {
	case stale:
		return "，截至 " + c.clock(at) + "。运营商系统暂时没有应答，稍后可以再查"
	case at > 0 && c.Now().Sub(at.Time()) > c.opts.Fresh:
		return "，截至 " + c.clock(at)
	}
	return ""
}

// clock writes 20:31 of today, 11月20日 20:31 of another day.
func (c *Chat) clock(at model.Millis) string {
	if model.DayOf(at.Time()) == model.DayOf(c.Now()) {
		return at.Time().Format("15:04")
	}
	return at.Time().Format("1月2日 15:04")
}

// day writes 11月30日, with the year when it is another one.
func (c *Chat) day(at model.Millis) string {
	if at.Time().Year() == c.Now().In(model.Shanghai).Year() {
		return at.Time().Format("1月2日")
	}
	return at.Time().Format("2006年1月2日")
}

// soon is how far ahead an expiry is worth a word.
const soon = 60 * 24 * time.Hour

// lowBalance is what is worth a top-up: less than a call or two.
const lowBalance model.Fen = 20_00

// balance answers with the money; who asks why the phone is stopped hears whether it is
// for a debt, and who can tell otherwise.
func (c *Chat) balance(ctx context.Context, t *turn) (string, error) {
	b, err := c.Account.Balance(ctx, t.member.Phone)
	if err != nil {
		return "", err
	}
	after := c.asOf(b.AsOf, b.Stale)
	stopped := b.Arrears == 0 && read(t.said).live.has(aStop)
	if stopped {
		after += "，没有欠费"
	}
	text := "话费余额 " + b.Available.Yuan() + after + "。"
	if b.Arrears > 0 {
		text = "您已欠费 " + b.Arrears.Yuan() + "，可用余额 " + max(b.Available, 0).Yuan() + after + "。"
	}
	if b.Reserved > 0 {
		text += "另有 " + b.Reserved.Yuan() + " 被冻结。"
	}
	if left := b.ExpiresAt.Time().Sub(c.Now()); b.ExpiresAt > 0 && left < soon {
		text += "\n号码有效期到 " + c.day(b.ExpiresAt) + "，到期前充值会自动延长。"
	}
	switch {
	case b.Arrears > 0:
		return text + c.next(TopUp, "看怎么缴费，缴清后自动恢复"), nil
	case stopped:
		return text + "\n停机要是还没恢复，原因得请客服查：" + c.tap(names[Human], names[Human]), nil
	case b.Available < lowBalance:
		return text + c.next(TopUp, "看怎么充值"), nil
	}
	return text + c.next(Usage, "查流量"), nil
}

func (c *Chat) usage(ctx context.Context, phone model.Phone) (string, error) {
	u, err := c.Account.Usage(ctx, phone)
	if err != nil {
		return "", err
	}
	after, now := c.asOf(u.AsOf, u.Stale), model.At(c.Now())
	turned := u.Turned(now)
	if turned { // told as it was
		now = u.AsOf
		after = cmp.Or(after, "，截至 "+c.clock(u.AsOf))
	}
	var parts []string
	short := false
	for _, kind := range []model.AllowanceKind{model.Data, model.Voice, model.SMS} {
		sum, unlimited, any := sum(u.Allowances, kind, now)
		switch {
		case unlimited:
			parts = append(parts, kindName(kind)+"不限量")
		case any:
			parts = append(parts, fmt.Sprintf("%s还剩 %s（共 %s）", kindName(kind), amount(kind, sum.Left), amount(kind, sum.Total)))
			short = short || kind == model.Data && sum.Left < sum.Total/10
		}
	}
	if len(parts) == 0 {
		return "您的号码现在没有可用的流量和通话包" + after + "。" + c.next(TopUp, "看怎么加流量"), nil
	}
	text := strings.Join(parts, "，") + after + "。"
	if turned {
		return text + "\n这之后有的已经到期，新的余量要等运营商更新，请过几分钟再查。" + c.next(Usage, "查流量"), nil
	}
	text += c.expiring(u.Allowances)
	if short {
		return text + "\n流量不多了，" + strings.TrimPrefix(c.next(TopUp, "看怎么加流量"), "\n"), nil
	}
	return text + c.next(Plan, "查套餐"), nil
}

// sum adds the allowances of one kind that are valid at the instant.
func sum(all []model.Allowance, kind model.AllowanceKind, at model.Millis) (sum model.Allowance, unlimited, any bool) {
	for _, a := range all {
		if a.Kind != kind || a.ValidUntil != 0 && a.ValidUntil <= at {
			continue
		}
		any = true
		unlimited = unlimited || a.Total == 0
		sum.Total += a.Total
		sum.Left += max(a.Left, 0)
	}
	return sum, unlimited, any
}

// expiring names what expires first.
func (c *Chat) expiring(all []model.Allowance) string {
	now := model.At(c.Now())
	left := slices.DeleteFunc(slices.Clone(all), func(a model.Allowance) bool {
		return a.ValidUntil <= now || a.Left <= 0 || a.ValidUntil.Time().Sub(c.Now()) > soon
	})
	if len(left) == 0 {
		return ""
	}
	first := slices.MinFunc(left, func(a, b model.Allowance) int { return cmp.Compare(a.ValidUntil, b.ValidUntil) })
	if sum, _, _ := sum(all, first.Kind, now); sum.Left == first.Left {
		return fmt.Sprintf("\n%s%s到期。", plain(first.Name), c.day(first.ValidUntil)) // its amount stands above
	}
	return fmt.Sprintf("\n最先到期：%s还有 %s，%s到期。", plain(first.Name), amount(first.Kind, first.Left), c.day(first.ValidUntil))
}

func kindName(k model.AllowanceKind) string {
	return map[model.AllowanceKind]string{model.Data: "流量", model.Voice: "通话", model.SMS: "短信"}[k]
}

// amount writes bytes as GB or MB, seconds as minutes, messages as 条, rounded
// down: what is promised is there.
func amount(k model.AllowanceKind, n int64) string {
	const mega, giga = 1 << 20, 1 << 30
	switch {
	case k == model.Voice:
		return fmt.Sprintf("%d分钟", n/60)
	case k == model.SMS:
		return fmt.Sprintf("%d条", n)
	case n < giga:
		return fmt.Sprintf("%dMB", n/mega)
	}
	hundredths := n/giga*100 + n%giga*100/giga
	text := fmt.Sprintf("%d.%02d", hundredths/100, hundredths%100)
	return strings.TrimSuffix(strings.TrimRight(text, "0"), ".") + "GB"
}

// maxListed bounds the lines of a list in a reply.
const maxListed = 5

func (c *Chat) plan(ctx context.Context, phone model.Phone) (string, error) {
	p, err := c.Account.Plan(ctx, phone)
	if err != nil {
		return "", err
	}
	after := c.asOf(p.AsOf, p.Stale)
	if p.Main.Name == "" {
		return "没有查到主套餐" + after + "。" + c.next(News, "看看有什么套餐"), nil
	}
	text := fmt.Sprintf("每月 %s，%s%s。", p.Main.Fee.Yuan(), plain(p.Main.Name), after)
	if n := min(len(p.Main.Details), maxListed); n > 0 {
		details := make([]string, n)
		for i := range details {
			details[i] = plain(p.Main.Details[i])
		}
		text += "\n包含 " + strings.Join(details, "、") + "。"
	}
	if left := p.Main.EndsAt.Time().Sub(c.Now()); p.Main.EndsAt > 0 && left > 0 && left < soon {
		text += "\n套餐 " + c.day(p.Main.EndsAt) + "到期。"
	}
	for i, pack := range p.Packs {
		if i == maxListed {
			text += fmt.Sprintf("\n等 %d个加装包", len(p.Packs))
			break
		}
		text += "\n另有 " + plain(pack.Name) + "（" + pack.Fee.Yuan()
		if pack.EndsAt > 0 {
			text += "，" + c.day(pack.EndsAt) + "到期"
		}
		text += "）"
	}
	return text + c.next(News, "看看更合适的套餐"), nil
}

// soonDays is how long before it ends something is worth a word.
const soonDays = 90

func (c *Chat) points(ctx context.Context, member model.Member) (string, error) {
	if c.Points == nil {
		return c.leadOn(Points), nil
	}
	p, err := c.Points.PointsBalance(ctx, member.ID)
	if err != nil {
		return "", err
	}
	text := fmt.Sprintf("可用积分 %d分。", p.Available)
	if p.Expiring > 0 && p.ExpiresAt > 0 {
		text += fmt.Sprintf("\n其中 %d分 %s到期", p.Expiring, c.day(p.ExpiresAt))
		if p.ExpiresAt < model.At(c.Now().AddDate(0, 0, soonDays)) {
			text += "，记得先用"
		}
		text += "。"
	}
	if p.Pending > 0 {
		text += fmt.Sprintf("\n另有 %d分待生效。", p.Pending)
	}
	if c.Gifts != nil {
		return text + "\n" + c.tap("积分兑换", names[Redeem]), nil
	}
	return text + c.next(Redeem, "积分兑换"), nil
}
