package chat

// Menu is the account's menu as WeChat's menu/create takes it: at most three
// buttons with at most five each.
type Menu struct {
	Button []Button `json:"button"`
}

// Button is one entry. Its type is click (Key is an Intent), view (URL) or
// miniprogram (URL, AppID, PagePath); one with SubButton has none.
type Button struct {
	Type      string   `json:"type,omitempty"`
	Name      string   `json:"name"`
	Key       string   `json:"key,omitempty"`
	URL       string   `json:"url,omitempty"`
	AppID     string   `json:"appid,omitempty"`
	PagePath  string   `json:"pagepath,omitempty"`
	SubButton []Button `json:"sub_button,omitempty"`
}

// Menu returns the menu to create. What has a link opens it at once, the rest is
// a click that Handle answers; gifts are redeemed here where there is a mall.
func (c *Chat) Menu() Menu {
	redeem := c.open(Redeem)
	if c.Gifts != nil {
		redeem = c.tapFor(Redeem)
	}
	return Menu{Button: []Button{
		{Name: "查询", SubButton: []Button{c.tapFor(Balance), c.tapFor(Usage), c.tapFor(Plan), c.tapFor(Bill), c.tapFor(Points)}},
		{Name: "办理", SubButton: []Button{c.open(TopUp), redeem, c.open(Deals), c.open(News), c.open(Services)}},
		{Name: "我的", SubButton: []Button{c.tapFor(Bind), c.tapFor(Unbind), c.tapFor(Feedback), c.tapFor(Human), c.tapFor(Help)}},
	}}
}

func (c *Chat) tapFor(i Intent) Button { return Button{Type: "click", Name: names[i], Key: string(i)} }

// open is a button that leads straight to where the intent is served.
func (c *Chat) open(i Intent) Button {
	l, ok := c.opts.Links[i]
	switch {
	case !ok:
		return c.tapFor(i)
	case l.AppID != "":
		return Button{Type: "miniprogram", Name: names[i], URL: l.URL, AppID: l.AppID, PagePath: l.Page}
	}
	return Button{Type: "view", Name: names[i], URL: l.URL}
}
