package chat

import (
	"context"
	"fmt"
	"reflect"
	"strings"

	"kaimenhong/model"
	"kaimenhong/model/fault"
)

// turn is one message on its way to an answer.
type turn struct {
	in     model.Inbound
	typed  folded // as it came, for the operators' rules
	said   folded // without WeChat's emoji
	member model.Member
	before thread
	after  thread
}

// Handle answers a message or an event; NoContent when there is nothing to say.
// A repeat with the same Key changes nothing and gets the same answer. What the
// other domains refuse is part of the answer; an error is ours.
//
// The content may be of any kind that an operator's rule holds: a mini-program
// card has no form as a passive reply and is sent as a customer-service message.
func (c *Chat) Handle(ctx context.Context, in model.Inbound) (model.Content, error) {
	content, err := c.handle(ctx, in)
	if err != nil {
		return model.Content{}, fmt.Errorf("answer a %s: %w", in.Kind, err)
	}
	content.Text = cut(content.Text)
	return content, nil
}

func (c *Chat) handle(ctx context.Context, in model.Inbound) (model.Content, error) {
	switch in.Kind {
	case model.InText:
		return c.converse(ctx, in)
	case model.InVoice:
		if in.Text == "" {
			return c.notRead(ctx, in)
		}
		return c.converse(ctx, in)
	case model.InImage, model.InVideo, model.InShortVideo, model.InLocation, model.InLink:
		return c.notRead(ctx, in)
	}
	return c.event(ctx, in)
}

// converse answers words.
func (c *Chat) converse(ctx context.Context, in model.Inbound) (model.Content, error) {
	t, err := c.begin(ctx, in)
	if err != nil {
		return model.Content{}, err
	}
	t.typed = fold(in.Text)
	t.said = t.typed
	if text := withoutFaces(in.Text); text != in.Text {
		t.said = fold(text)
	}
	content, err := c.answer(ctx, t)
	if err != nil {
		return model.Content{}, err
	}
	c.remember(ctx, t)
	return content, nil
}

// begin finds out who writes and what was being talked about.
func (c *Chat) begin(ctx context.Context, in model.Inbound) (*turn, error) {
	session := c.sessions.load(ctx, in.OpenID, in.Key)
	member, err := c.Members.Touch(ctx, in.App, in.OpenID)
	if err != nil {
		return nil, fmt.Errorf("find the member: %w", err)
	}
	t := &turn{in: in, member: member}
	if t.before, err = session(); err != nil {
		c.Log.WarnContext(ctx, "chat session lost", "openid", in.OpenID, "error", err)
	}
	t.after = thread{Binding: t.before.Binding, Want: t.before.Want}
	return t, nil
}

// remember keeps the thread where it changed.
func (c *Chat) remember(ctx context.Context, t *turn) {
	if reflect.DeepEqual(t.before, t.after) {
		return
	}
	if err := c.sessions.save(ctx, t.in.OpenID, t.in.Key, t.before, t.after); err != nil {
		c.Log.WarnContext(ctx, "chat session lost", "openid", t.in.OpenID, "error", err)
	}
}

// answer goes from what the conversation waits for, over the operators' rules, to
// what was understood.
func (c *Chat) answer(ctx context.Context, t *turn) (model.Content, error) {
	if content, ok, err := c.awaited(ctx, t); ok || err != nil {
		return content, err
	}
	if c.Rules != nil {
		if content, ok := c.Rules.match(t.typed, model.At(c.Now())); ok {
			c.count("", byRule)
			return content, nil
		}
	}
	if isOne(t.said.words(), cancels) { // to a question of long ago
		return model.Text("现在没有正在等您确认的事；已经办好的，不会因此取消。还需要什么随时告诉我，发送“菜单”可以看全部服务。"), nil
	}
	if content, ok := c.courtesy(t); ok {
		c.count("", unknown)
		return content, nil
	}
	if len(t.said.runes) == 0 && !t.said.asks || !t.said.spoken && !t.said.asks {
		c.count("", unknown)
		return c.wordless(t), nil
	}
	if content, ok, err := c.digits(ctx, t); ok || err != nil {
		return content, err
	}
	if t.before.Billed && namesMonth(t.said, c.Now()) {
		return c.mean(ctx, t, sure(Bill))
	}
	return c.mean(ctx, t, understand(t.said, c.opts.Carrier))
}

// mean acts on a meaning.
func (c *Chat) mean(ctx context.Context, t *turn, m Meaning) (model.Content, error) {
	intents := m.Intents()
	if !m.Sure {
		if content, ok, err := c.awaitedNumber(ctx, t); ok || err != nil {
			return content, err
		}
	}
	switch {
	case len(intents) == 0:
		c.count("", unknown)
		return c.puzzled(t), nil
	case m.Many:
		c.count(intents[0], offered)
		return c.choose(t, "一次最多查两项，先看哪一项？", intents), nil
	case !m.Sure:
		c.count(intents[0], offered)
		return c.choose(t, "您想办哪一项？", intents), nil
	}
	for _, i := range intents {
		c.count(i, understood)
	}
	if m.Other && !c.ownPhone(t) {
		return c.private(t, intents[0]), nil
	}
	if len(intents) > 1 {
		return c.readAll(ctx, t, intents)
	}
	return c.perform(ctx, t, intents[0])
}

// ownPhone tells that the number in the message is the one that is bound.
func (c *Chat) ownPhone(t *turn) bool {
	return t.member.Bound() && phoneIn(t.said.runes) == t.member.Phone.Digits()
}

// perform does what one intent asks for.
func (c *Chat) perform(ctx context.Context, t *turn, i Intent) (model.Content, error) {
	switch i {
	case Balance, Usage, Plan, Points, Bill:
		return c.readAll(ctx, t, []Intent{i})
	case Redeem:
		return c.redeemList(ctx, t)
	case SignIn:
		return c.signIn(ctx, t)
	case Redpacket:
		return c.redpacket(ctx, t)
	case TopUp, Deals:
		return model.Text(c.leadOn(i)), nil
	case News:
		return model.Text(c.news()), nil
	case Services:
		return model.Text(c.services(t)), nil
	case Mini:
		return c.miniProgram(t), nil
	case Close:
		return model.Text(c.closing()), nil
	case Unfollow:
		return model.Text(c.unfollowing()), nil
	case Feedback:
		return c.complain(ctx, t)
	case Human:
		return c.transfer(t), nil
	case Bind:
		return c.bind(ctx, t)
	case Unbind:
		return c.askUnbind(t), nil
	case OptOut:
		return c.optOut(ctx, t)
	case Sendings:
		return model.Text(c.sendingsTold(t)), nil
	case MainMenu:
		return c.choose(t, c.opts.Name+"为您服务，想办哪一项？", menuChoices), nil
	case Help:
		return c.help(t), nil
	}
	c.count(i, unknown)
	return c.puzzled(t), nil
}

// menuChoices are the main answers, one tap away from the menu.
var menuChoices = []Intent{Balance, Usage, Plan, Bill, Points, TopUp, Redeem, Deals, Human}

// choose offers intents by number and remembers them.
func (c *Chat) choose(t *turn, question string, intents []Intent) model.Content {
	t.after.Topic, t.after.Choices = choosing, intents
	var b strings.Builder
	b.WriteString(question + "回复数字：")
	for n, i := range intents {
		fmt.Fprintf(&b, "\n%s", c.tap(fmt.Sprintf("%d %s", n+1, names[i]), names[i]))
	}
	return model.Text(b.String())
}

// plainly turns what another domain refused into words; what is ours stays an
// error.
func plainly(err error) (string, error) {
	if f := fault.Of(err); f.Kind != fault.Internal {
		return f.Text, nil
	}
	return "", err
}
