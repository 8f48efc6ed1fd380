package chat

import "kaimenhong/model"

// What the account does not do itself is answered with the way to it, and nothing is
// promised of what a person or a hall will do.

// human is the word that asks for a person.
func (c *Chat) human() string { return c.tap(names[Human], names[Human]) }

// services is what is done by people, or in the mini-program where it has a page for it.
// Who asks for a hall is told that nothing is known of them here.
func (c *Chat) services(t *turn) string {
	call, link := "", c.link(Services, "看看小程序里能办哪些")
	if c.opts.Hotline != "" {
		call = "，或拨打 " + c.opts.Hotline
	}
	if s := read(t.said); s.live.has(aHall) && !s.live.has(aService) {
		return "营业厅的地址和营业时间，我这里查不到。\n请找" + c.human() + call + " 问问。"
	}
	if link != "" {
		link = "\n" + link
	}
	if call == "" {
		call = "，或"
	} else {
		call += "、"
	}
	return "挂失、补卡、漫游、宽带、发票、改密码、退订这些业务，在聊天里办不了。" + link + "\n请找" + c.human() + call + "到营业厅办理。"
}

// news are the plans and services that there are now.
func (c *Chat) news() string {
	const first = "换之前可以先发送“查套餐”看看现在的。"
	if link := c.link(News, "看最新业务"); link != "" {
		return "新套餐和新业务都在这里，" + first + "\n" + link
	}
	return "新套餐和新业务，请找" + c.human() + "介绍；" + first
}

// miniProgram leads to its first page.
func (c *Chat) miniProgram(t *turn) model.Content {
	if link := c.link(Points, "打开小程序"); link != "" {
		return model.Text("话费、流量、套餐和积分，小程序首页一眼就能看到。\n" + link)
	}
	return c.choose(t, "现在没有小程序，要办什么直接告诉我就行，或者", menuChoices)
}

// closing is how a member closes his account, which is not his number.
func (c *Chat) closing() string {
	text := "注销这里的会员账户，请在小程序“我的”→“注销账户”里办：绑定会解除，剩余积分作废，不能恢复；手机号码照常使用。"
	if link := c.link(Points, "打开小程序"); link != "" {
		text += "\n" + link
	}
	return text + "\n要注销手机号码（销户），请找" + c.human() + "。"
}

// unfollowing is done in WeChat, by its own button. Whoever has enough of what is sent
// alone has another way.
func (c *Chat) unfollowing() string {
	return "取消关注由您自己在微信里操作：打开我们公众号的主页，点右上角“…”，选“不再关注”。绑定的号码和积分都会留着，再关注还能接着用。\n只是不想再收到优惠和活动的消息，就发送“" +
		c.tap(names[OptOut], names[OptOut]) + "”，查询和办理照常。\n想连绑定也解除，先发送“" + c.tap(names[Unbind], names[Unbind]) + "”。"
}
