package wechat

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"
)

// Button is one button of the menu, with the buttons below it.
type Button struct {
	Type    string   `json:"type,omitempty"`
	Name    string   `json:"name"`
	Key     string   `json:"key,omitempty"`
	URL     string   `json:"url,omitempty"`
	MediaID string   `json:"media_id,omitempty"`
	AppID   string   `json:"appid,omitempty"`
	Page    string   `json:"pagepath,omitempty"`
	Article string   `json:"article_id,omitempty"`
	Sub     []Button `json:"sub_button,omitempty"`
}

// conditional is a menu for some users; the sandbox keeps and lists it, and shows
// everybody the default one.
type conditional struct {
	ID   int64           `json:"menuid"`
	Body json.RawMessage `json:"body"`
}

// The limits of a menu.
const (
	maxButtons      = 3
	maxSubButtons   = 5
	maxButtonName   = 16 // bytes
	maxSubName      = 60 // bytes
	maxKey          = 128
	maxMenuURL      = 1024
	maxConditionals = 100
)

var errNoButton = errors.New("the menu has no such button")

func readMenu(body []byte) ([]Button, error) {
	var in struct {
		Buttons []Button `json:"button"`
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, errJSON
	}
	if len(in.Buttons) == 0 || len(in.Buttons) > maxButtons {
		return nil, errcode(40017, "invalid button size")
	}
	for _, b := range in.Buttons {
		if len(b.Name) == 0 || len(b.Name) > maxButtonName {
			return nil, errcode(40018, "invalid button name size")
		}
		if len(b.Sub) == 0 {
			if err := b.check(); err != nil {
				return nil, err
			}
		}
		if len(b.Sub) > maxSubButtons {
			return nil, errcode(40023, "invalid sub button size")
		}
		for _, s := range b.Sub {
			if len(s.Name) == 0 || len(s.Name) > maxSubName {
				return nil, errcode(40025, "invalid sub button name size")
			}
			if len(s.Sub) > 0 {
				return nil, errcode(40022, "invalid sub button depth")
			}
			if err := s.check(); err != nil {
				return nil, err
			}
		}
	}
	return in.Buttons, nil
}

func (b Button) check() error {
	switch b.Type {
	case "click", "scancode_push", "scancode_waitmsg", "pic_sysphoto", "pic_photo_or_album", "pic_weixin", "location_select":
		if b.Key == "" || len(b.Key) > maxKey {
			return errcode(40019, "invalid button key size")
		}
	case "view":
		return checkURL(b.URL)
	case "miniprogram":
		if b.AppID == "" || b.Page == "" {
			return errArgument
		}
		return checkURL(b.URL)
	case "media_id", "view_limited":
		if b.MediaID == "" {
			return errMedia
		}
	case "article_id", "article_view_limited":
		if b.Article == "" {
			return errArgument
		}
	default:
		return errcode(40016, "invalid button type")
	}
	return nil
}

func checkURL(s string) error {
	u, err := url.Parse(s)
	if len(s) == 0 || len(s) > maxMenuURL {
		return errcode(40020, "invalid button url size")
	}
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return errcode(40054, "invalid sub button url domain")
	}
	return nil
}

func (p *Platform) menuCreate(c *call) (any, error) {
	if _, err := readMenu(c.body); err != nil {
		return nil, err
	}
	p.s.Menu = bytes.Clone(c.body)
	p.changed(nil)
	p.tell(Event{"menu", "", p.buttons()})
	return nil, nil
}

func (p *Platform) menuGet(*call) (any, error) {
	if p.s.Menu == nil {
		return nil, errcode(46003, "menu no exist")
	}
	answer := map[string]any{"menu": map[string]any{"button": p.buttons(), "menuid": p.menuID()}}
	if len(p.s.Special) > 0 {
		list := []map[string]any{}
		for _, s := range p.s.Special {
			var m map[string]any
			if err := json.Unmarshal(s.Body, &m); err != nil {
				return nil, fmt.Errorf("a kept menu: %w", err)
			}
			m["menuid"] = s.ID
			list = append(list, m)
		}
		answer["conditionalmenu"] = list
	}
	return answer, nil
}

func (p *Platform) menuDelete(*call) (any, error) {
	p.s.Menu, p.s.Special = nil, nil
	p.changed(nil)
	p.tell(Event{"menu", "", p.buttons()})
	return nil, nil
}

func (p *Platform) menuAddConditional(c *call) (any, error) {
	var in struct {
		Rule map[string]any `json:"matchrule"`
	}
	if err := c.read(&in); err != nil {
		return nil, err
	}
	switch {
	case p.s.Menu == nil:
		return nil, errcode(65303, "no default menu")
	case len(in.Rule) == 0:
		return nil, errcode(65305, "matchrule is empty")
	case len(p.s.Special) >= maxConditionals:
		return nil, errcode(65304, "menu count exceeded")
	}
	if _, err := readMenu(c.body); err != nil {
		return nil, err
	}
	id := p.nextMsgID()
	p.s.Special = append(p.s.Special, conditional{id, bytes.Clone(c.body)})
	p.changed(nil)
	return map[string]any{"menuid": strconv.FormatInt(id, 10)}, nil
}

func (p *Platform) menuDelConditional(c *call) (any, error) {
	var in struct {
		ID any `json:"menuid"`
	}
	if err := c.read(&in); err != nil {
		return nil, err
	}
	for i, s := range p.s.Special {
		if fmt.Sprint(in.ID) == strconv.FormatInt(s.ID, 10) {
			p.s.Special = append(p.s.Special[:i], p.s.Special[i+1:]...)
			p.changed(nil)
			return nil, nil
		}
	}
	return nil, errcode(65301, "menuid not exist")
}

// Menu is the default menu, empty when there is none.
func (p *Platform) Menu() []Button {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.buttons()
}

func (p *Platform) buttons() []Button {
	if p.s.Menu == nil {
		return []Button{}
	}
	buttons, err := readMenu(p.s.Menu)
	if err != nil { // it was read once when it was kept
		p.log.Error("sandbox menu cannot be read again", "error", err)
		return []Button{}
	}
	return buttons
}

func (p *Platform) menuID() string { return digest(p.opts.Seed, "menu", string(p.s.Menu))[:9] }

// button finds a button by its key, url, page or name.
func (p *Platform) button(key string) (Button, string, bool) {
	for _, b := range p.buttons() {
		for _, one := range append([]Button{b}, b.Sub...) {
			if one.Type != "" && (one.Key == key || one.URL == key || one.Page == key || one.Name == key) {
				return one, p.menuID(), true
			}
		}
	}
	return Button{}, "", false
}
