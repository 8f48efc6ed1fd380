package wechat

import (
	"fmt"
)

// Grant is what the person chose in a subscribe pop-up.
type Grant struct {
	Templates []string `json:"templates"`         // ids, at most five
	Refused   bool     `json:"refused,omitempty"` // 拒绝 rather than 允许
}

const maxGrant = 5

// Subscribe records the person's choice: one more send of each template, or none.
// Consents do not expire and add up.
func (p *Platform) Subscribe(id string, g Grant) error {
	if len(g.Templates) == 0 || len(g.Templates) > maxGrant {
		return fmt.Errorf("%w: %d templates, 1…%d are expected", errTemplate, len(g.Templates), maxGrant)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	u := p.byID[id]
	if u == nil {
		return fmt.Errorf("%w: %q", ErrNoUser, id)
	}
	kinds := make([]TemplateKind, len(g.Templates))
	for i, t := range g.Templates {
		kinds[i] = MiniTemplate
		if _, err := p.template(t, MiniTemplate); err != nil {
			kinds[i] = NoticeTemplate
			if _, err := p.template(t, NoticeTemplate); err != nil {
				return fmt.Errorf("%w: %q", err, t)
			}
		}
	}
	choice := "accept"
	if g.Refused {
		choice = "reject"
	}
	lists := map[TemplateKind][][]field{}
	for i, t := range g.Templates {
		if !g.Refused {
			ensure(&u.Consents)
			u.Consents[t]++
		}
		lists[kinds[i]] = append(lists[kinds[i]], []field{{"TemplateId", t}, {"SubscribeStatusString", choice}, {"PopupScene", "0"}})
	}
	p.changed(u)
	if list := lists[MiniTemplate]; list != nil {
		p.send(p.miniEvent(u, "subscribe_msg_popup_event", p.listed("SubscribeMsgPopupEvent", list)))
	}
	if list := lists[NoticeTemplate]; list != nil {
		p.send(p.event(u, "subscribe_msg_popup_event", false, field{"SubscribeMsgPopupEvent", []field{{"List", list}}}))
	}
	return nil
}

// listed lays a list out as the mini-program gets it: in JSON without the outer
// element.
func (p *Platform) listed(name string, list [][]field) field {
	if p.opts.MiniJSON {
		return field{"List", list}
	}
	return field{name, []field{{"List", list}}}
}

// Consents returns how many sends of each template the person still allows.
func (p *Platform) Consents(id string) (map[string]int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	u := p.byID[id]
	if u == nil {
		return nil, fmt.Errorf("%w: %q", ErrNoUser, id)
	}
	left := map[string]int{}
	for t, n := range u.Consents {
		if n > 0 {
			left[t] = n
		}
	}
	return left, nil
}

// bizSend is the official account's subscribe notice.
func (p *Platform) bizSend(c *call) (any, error) {
	return p.consented(c, NoticeTemplate, p.byOpenID)
}

// subscribeSend is the mini-program's subscribe message.
func (p *Platform) subscribeSend(c *call) (any, error) {
	return p.consented(c, MiniTemplate, p.byMini)
}

// consented uses up one consent for one message.
func (p *Platform) consented(c *call, kind TemplateKind, people map[string]*user) (any, error) {
	var in notice
	if err := c.read(&in); err != nil {
		return nil, err
	}
	u := people[in.ToUser]
	if u == nil {
		return nil, errOpenID
	}
	t, err := p.template(in.Template, kind)
	if err != nil {
		return nil, err
	}
	b, err := in.bubble(t, string(kind))
	if err != nil {
		return nil, err
	}
	if u.Consents[t.ID] == 0 {
		return nil, errRefused
	}
	u.Consents[t.ID]--
	id := p.nextMsgID()
	list := [][]field{{{"TemplateId", t.ID}, {"MsgID", id}, {"ErrorCode", "0"}, {"ErrorStatus", "success"}}}
	if kind == MiniTemplate {
		b.AppID = p.opts.MiniAppID
		p.send(p.miniEvent(u, "subscribe_msg_sent_event", p.listed("SubscribeMsgSentEvent", list)))
	} else {
		p.send(p.event(u, "subscribe_msg_sent_event", false, field{"SubscribeMsgSentEvent", []field{{"List", list}}}))
	}
	p.say(u, b)
	p.record(Send{Channel: string(kind), Persona: u.ID, OpenID: in.ToUser, MsgID: id, Template: t.ID, Page: b.Page})
	return map[string]any{"errcode": 0, "errmsg": "ok", "msgid": id}, nil
}

// Allow records that the person allows one more send of a template, as of a dialogue
// long ago: nobody is told of it.
func (p *Platform) Allow(id, template string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if u := p.byID[id]; u != nil {
		ensure(&u.Consents)
		u.Consents[template]++
		p.changed(u)
	}
}
