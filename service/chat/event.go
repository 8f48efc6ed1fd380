package chat

import (
	"context"
	"fmt"

	"kaimenhong/model"
)

// event acts on what is no message; kinds that the product does not act on are
// answered with nothing.
func (c *Chat) event(ctx context.Context, in model.Inbound) (model.Content, error) {
	switch in.Kind {
	case model.InSubscribe:
		member, err := c.Members.Follow(ctx, in.OpenID, in.EventKey, in.CreatedAt)
		if err != nil {
			return model.Content{}, fmt.Errorf("note a follower: %w", err)
		}
		return c.greet(ctx, in, member)
	case model.InScan:
		member, err := c.Members.Touch(ctx, in.App, in.OpenID)
		if err != nil {
			return model.Content{}, fmt.Errorf("find the member: %w", err)
		}
		return c.greet(ctx, in, member)
	case model.InUnsubscribe:
		if err := c.Members.Unfollow(ctx, in.OpenID, in.CreatedAt); err != nil {
			return model.Content{}, fmt.Errorf("note that somebody left: %w", err)
		}
		return model.Content{}, nil
	case model.InClick:
		return c.click(ctx, in)
	}
	return model.Content{}, nil
}

// greet welcomes a follower by the source that he came through.
func (c *Chat) greet(ctx context.Context, in model.Inbound, member model.Member) (model.Content, error) {
	t := &turn{in: in, member: member}
	text, ok := c.opts.Welcome[in.EventKey]
	if !ok {
		text, ok = c.opts.Welcome[""]
	}
	if !ok {
		text = "欢迎来到" + c.opts.Name + "！"
	}
	var content model.Content
	if member.Bound() {
		content = c.choose(t, "您绑定的是 "+member.Phone.Masked()+"，想办哪一项？", menuChoices)
	} else {
		t.after = thread{Binding: awaitPhone}
		content = model.Text("直接发送您的11位手机号，收到验证码后发给我，就能随时查话费、查流量。\n" + c.tap("先看看有什么服务", names[MainMenu]))
	}
	content.Text = text + "\n\n" + content.Text
	c.remember(ctx, t)
	return content, nil
}

// click answers a tap on the menu: an operator's exact rule for the key, or the
// intent that the key names.
func (c *Chat) click(ctx context.Context, in model.Inbound) (model.Content, error) {
	t, err := c.begin(ctx, in)
	if err != nil {
		return model.Content{}, err
	}
	if c.Rules != nil {
		if content, ok := c.Rules.matchKey(in.EventKey, model.At(c.Now())); ok {
			c.count("", byRule)
			c.remember(ctx, t) // a yes after it is to it, not to what was asked before
			return content, nil
		}
	}
	var content model.Content
	if i := Intent(in.EventKey); i.Known() {
		c.count(i, understood)
		content, err = c.perform(ctx, t, i)
	} else {
		content, err = c.mean(ctx, t, Understand(in.EventKey, c.opts.Carrier))
	}
	if err != nil {
		return model.Content{}, err
	}
	c.remember(ctx, t)
	return content, nil
}
