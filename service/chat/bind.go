package chat

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"kaimenhong/model"
)

// codeDigits is the length of an SMS code.
const codeDigits = 6

// digits answers messages that are a number: a phone, a code, or neither.
func (c *Chat) digits(ctx context.Context, t *turn) (model.Content, bool, error) {
	said := string(t.said.runes)
	if _, isCode := c.opts.Carrier.code(t.said.runes); isCode {
		return model.Content{}, false, nil
	}
	if code, ok := cutAny(said, "验证码是", "验证码", "短信验证码", "code"); ok && allDigits(code) {
		content, err := c.confirm(ctx, t, code)
		return content, true, err
	}
	number := said
	if t.before.Binding != notBinding {
		number = arabic(t.said.runes)
	}
	if !allDigits(number) {
		return model.Content{}, false, nil
	}
	phone, err := model.ParsePhone(number)
	switch {
	case err == nil && t.before.Binding != notBinding:
		content, err := c.sendCode(ctx, t, phone)
		return content, true, err
	case err == nil:
		return c.offerBinding(t, phone), true, nil
	case len(number) == codeDigits && (!t.member.Bound() || t.before.Binding != notBinding):
		content, err := c.confirm(ctx, t, number)
		return content, true, err
	case t.before.Binding == awaitCode && len(number) >= 4 && len(number) <= 8:
		return model.Text("验证码是短信里的6位数字，请再核对一下后发给我。没收到就再发一次手机号。"), true, nil
	case len(number) >= 7:
		c.count(Bind, unknown)
		return model.Text("这个号码不像手机号：手机号是1开头的 11位数字。核对后再发给我就行，发送“菜单”可以看全部服务。"), true, nil
	case ordinal(number, 0) > 0 || len(number) <= codeDigits:
		c.count("", unknown)
		return c.choose(t, "这个数字我没对上号，您想办哪一项？", menuChoices), true, nil
	}
	return model.Content{}, false, nil
}

// arabic writes a number that was said digit by digit (幺三九…) in digits; anything else
// stays as it is.
func arabic(runes []rune) string {
	digits := make([]byte, 0, len(runes))
	for _, r := range runes {
		if isDigit(r) {
			digits = append(digits, byte(r))
			continue
		}
		at := slices.Index(spokenDigits, r)
		if at < 0 {
			return string(runes)
		}
		digits = append(digits, byte('0'+at%10))
	}
	return string(digits)
}

// spokenDigits are 0 to 9, and other words for 0 and 1.
var spokenDigits = []rune("零一二三四五六七八九〇幺")

// awaitedNumber takes the phone or the code that is waited for out of a sentence that
// asks for nothing else: 我的手机号是…, or the whole SMS.
func (c *Chat) awaitedNumber(ctx context.Context, t *turn) (model.Content, bool, error) {
	if t.before.Binding == notBinding {
		return model.Content{}, false, nil
	}
	about := read(t.said).kinds > 0 // the money or the data of a number: 139…余额
	if phone, err := model.ParsePhone(phoneIn(t.said.runes)); err == nil && !about {
		content, err := c.sendCode(ctx, t, phone)
		return content, true, err
	}
	if code := codeIn(t.said); code != "" && t.before.Binding == awaitCode {
		content, err := c.confirm(ctx, t, code)
		return content, true, err
	}
	return model.Content{}, false, nil
}

// codeIn returns the only six digits in a row that stand alone; "" for none or several.
func codeIn(f folded) (code string) {
	for i := 0; i < len(f.runes); {
		end := run(f, i)
		if end == i || !isDigit(f.runes[i]) {
			i = max(end, i+1)
			continue
		}
		if end-i == codeDigits {
			if code != "" {
				return ""
			}
			code = string(f.runes[i:end])
		}
		i = end
	}
	return code
}

func cutAny(s string, prefixes ...string) (string, bool) {
	for _, p := range prefixes {
		if rest, ok := strings.CutPrefix(s, p); ok && rest != "" {
			return rest, true
		}
	}
	return s, false
}

func allDigits(s string) bool {
	for _, r := range s {
		if !isDigit(r) {
			return false
		}
	}
	return s != ""
}

// bind begins a binding, at once when the number was in the same message.
func (c *Chat) bind(ctx context.Context, t *turn) (model.Content, error) {
	if digits := phoneIn(t.said.runes); digits != "" {
		phone, err := model.ParsePhone(digits)
		if err == nil {
			return c.sendCode(ctx, t, phone)
		}
	}
	if read(t.said).live.has(aCode) {
		return c.lostCode(t), nil
	}
	t.after.Binding = awaitPhone
	if longNumber(t.said.runes) {
		return model.Text("这个号码不像手机号：手机号是1开头的 11位数字。请核对后直接发给我。"), nil
	}
	if t.member.Bound() {
		return model.Text(fmt.Sprintf("您现在绑定的是 %s。要换绑，请直接发送新的11位手机号；不换就回复“取消”。", t.member.Phone.Masked())), nil
	}
	return model.Text(sendNumber + "。"), nil
}

// sendNumber asks for the number that is to be bound.
const sendNumber = "请直接发送您的11位手机号，我马上发一条验证码短信给您"

// noCode is what people say while a code is waited for that does not come.
var noCode = regexp.MustCompile(`^(我|还是|还|一直|怎么|都|短信|那|请)*(收不到|没收到|没有收到|没来|没到|重发|重新发|重新发送|再发)(一次|一遍|一条|一下|个|了|啊|呢|短信|吧|验证码)*$|^(手机|电话)?(号|号码)?(写|输|填|打|发)?(错了|错)$`)

// lostCode answers who waits for a code that does not come. One that nothing here waits
// for is of somebody else.
func (c *Chat) lostCode(t *turn) model.Content {
	switch {
	case t.before.Binding == awaitCode:
		return model.Text("请先核对手机号有没有写错、短信有没有被手机拦截。再发一次手机号，我重新发一条（一分钟能发一次）；还是收不到，就找" + c.human() + "。")
	case t.before.Binding == notBinding && t.member.Bound():
		return c.choose(t, "现在没有正在绑定的号码。别处的短信收不到，请", []Intent{Human, Feedback})
	}
	t.after.Binding = awaitPhone
	return model.Text(sendNumber + "。")
}

// longNumber tells that somebody tried to write a phone number.
func longNumber(runes []rune) bool {
	digits := 0
	for _, r := range runes {
		if isDigit(r) {
			digits++
		}
	}
	return digits >= 7
}

// offerBinding answers a bare phone number that nobody asked for.
func (c *Chat) offerBinding(t *turn, phone model.Phone) model.Content {
	if t.member.Phone == phone {
		return c.choose(t, "您已经绑定了这个号码，想办哪一项？", menuChoices)
	}
	command := "绑定" + phone.Digits()
	t.after.Binding = awaitPhone
	verb := "绑定"
	if t.member.Bound() {
		verb = "换绑成"
	}
	return model.Text(fmt.Sprintf("要%s %s 吗？%s；不需要就回复“取消”。\n为了保护隐私，只能查询绑定到您微信的号码。",
		verb, phone.Masked(), c.tap("点这里获取验证码", command)+"，或者再发一次这个号码"))
}

// sendCode has a code sent to the phone and waits for it.
func (c *Chat) sendCode(ctx context.Context, t *turn, phone model.Phone) (model.Content, error) {
	if t.member.Phone == phone {
		want := t.after.Want
		t.after = thread{}
		return c.afterBinding(ctx, t, "您已经绑定了 "+phone.Masked()+"，不用再绑一次。", want)
	}
	if err := c.Binding.SendCode(ctx, t.member.ID, phone, t.in.Key); err != nil {
		text, err := plainly(err)
		if err != nil {
			return model.Content{}, fmt.Errorf("send a code: %w", err)
		}
		if t.before.Binding != awaitCode { // the code that is on its way stays good
			t.after.Binding = awaitPhone
		}
		return model.Text(text), nil
	}
	t.after.Binding = awaitCode
	text := "验证码短信已发到 " + phone.Masked() + "，5分钟内有效，请把6位数字发给我。"
	if t.member.Bound() {
		text += "\n确认后会从 " + t.member.Phone.Masked() + " 换绑过来。"
	}
	return model.Text(text), nil
}

// confirm ends a binding and answers what was asked before it.
func (c *Chat) confirm(ctx context.Context, t *turn, code string) (model.Content, error) {
	if len(code) != codeDigits {
		return model.Text("验证码是短信里的6位数字，请再核对一下后发给我。"), nil
	}
	phone, err := c.Binding.Confirm(ctx, t.member.ID, code, t.in.Key)
	if err != nil {
		text, err := plainly(err)
		if err != nil {
			return model.Content{}, fmt.Errorf("confirm a code: %w", err)
		}
		return model.Text(text), nil
	}
	want := t.before.Want
	t.member.Phone, t.after = phone, thread{}
	return c.afterBinding(ctx, t, "绑定成功："+phone.Masked()+"。", want)
}

// afterBinding answers what was asked before binding, or offers what can be asked.
func (c *Chat) afterBinding(ctx context.Context, t *turn, text string, want Intent) (model.Content, error) {
	if want == "" {
		content := c.choose(t, "现在可以直接问我，或者", []Intent{Balance, Usage, Plan, Bill, Points})
		content.Text = text + "\n" + content.Text
		return content, nil
	}
	content, err := c.perform(ctx, t, want)
	if err != nil {
		return model.Content{}, err
	}
	content.Text = text + "\n\n" + content.Text
	return content, nil
}

// askUnbind asks before anything is undone.
func (c *Chat) askUnbind(t *turn) model.Content {
	if !t.member.Bound() {
		return model.Text("您还没有绑定号码，不需要解绑。要绑定请直接发送“绑定”。")
	}
	t.after.Topic, t.after.Phone = awaitUnbind, t.member.Phone.Masked()
	return model.Text(fmt.Sprintf("确定要解绑 %s 吗？解绑后就不能在这里查话费和流量了。\n%s　%s",
		t.member.Phone.Masked(), c.tap("确认解绑", "确认解绑"), c.tap("取消", "取消")))
}

// otherPhone tells that the member bound another number, on another device, since he was
// asked: his yes was not to that one.
func (t *turn) otherPhone() bool {
	return t.before.Phone != "" && t.member.Bound() && t.member.Phone.Masked() != t.before.Phone
}

func (c *Chat) unbind(ctx context.Context, t *turn) (model.Content, error) {
	t.after = thread{}
	if err := c.Binding.Unbind(ctx, t.member.ID, t.in.Key); err != nil {
		text, err := plainly(err)
		if err != nil {
			return model.Content{}, fmt.Errorf("unbind: %w", err)
		}
		return model.Text(text), nil
	}
	return model.Text("已经解绑。以后想用了，发送“绑定”就能再绑上。"), nil
}
