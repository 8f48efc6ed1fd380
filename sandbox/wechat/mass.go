package wechat

import (
	"encoding/json"
	"fmt"
	"time"

	"kaimenhong/model"
)

// massive is the body of a mass message.
type massive struct {
	outgoing
	ToUsers any    `json:"touser"` // a list; a single one in a preview
	Client  string `json:"clientmsgid"`
	Filter  struct {
		All bool `json:"is_to_all"`
		Tag int  `json:"tag_id"`
	} `json:"filter"`
}

// The rules of mass messages.
const (
	massADay      = 24 * time.Hour // clientmsgid de-duplicates so long
	massAMonth    = 4              // for each person of a service account
	massLeast     = 2
	massMost      = 10_000
	maxClientText = 64
)

func (p *Platform) massSend(c *call) (any, error) {
	var in massive
	if err := c.read(&in); err != nil {
		return nil, err
	}
	list, _ := in.ToUsers.([]any)
	if len(list) < massLeast || len(list) > massMost {
		return nil, errcode(40130, "invalid openid list size, at least two openid")
	}
	people := make([]*user, len(list))
	for i, id := range list {
		// An unknown openid is no error of the call: it is counted as one.
		people[i] = p.byOpenID[fmt.Sprint(id)]
	}
	return p.mass(c, &in, people)
}

// massSendAll goes to every follower; the sandbox has no tags.
func (p *Platform) massSendAll(c *call) (any, error) {
	var in massive
	if err := c.read(&in); err != nil {
		return nil, err
	}
	if !in.Filter.All {
		return nil, errcode(45157, "invalid tag")
	}
	var people []*user
	for _, u := range p.order {
		if u.Follows {
			people = append(people, u)
		}
	}
	return p.mass(c, &in, people)
}

func (p *Platform) mass(c *call, in *massive, people []*user) (any, error) {
	if len(in.Client) > maxClientText {
		return nil, errcode(45107, "clientmsgid too long")
	}
	b, err := p.bubble(&in.outgoing, "mass")
	if err != nil {
		return nil, err
	}
	now, key := model.At(c.now), "mass "+in.Client
	if before, ok := p.s.Sends[key]; ok && in.Client != "" && now < before.Until {
		return nil, &apiError{45065, "clientmsgid exist", map[string]any{"msg_id": before.MsgID}}
	}
	id := p.nextMsgID()
	if in.Client != "" {
		p.remember(key, sent{id, now.Add(massADay)})
	}
	month := c.now.In(model.Shanghai).Format("2006-01")
	reached, filtered, failed := 0, 0, 0
	for _, u := range people {
		switch {
		case u == nil || !u.Follows:
			failed++
		case u.MassMonth == month && u.MassCount >= massAMonth:
			filtered++
		default:
			if u.MassMonth != month {
				u.MassMonth, u.MassCount = month, 0
			}
			u.MassCount++
			reached++
			p.say(u, b)
			p.record(Send{Channel: "mass", Persona: u.ID, OpenID: u.OpenID, MsgID: id, ClientID: in.Client, Text: b.Text})
		}
	}
	p.remember(fmt.Sprintf("mass-id %d", id), sent{id, now.Add(massADay)})
	p.send(p.massReport(id, len(people), filtered, reached, failed))
	return map[string]any{"errcode": 0, "errmsg": "send job submission success", "msg_id": id, "msg_data_id": id % 1_000_000_007}, nil
}

func (p *Platform) massReport(id int64, total, filtered, reached, failed int) *push {
	return &push{name: "event.MASSSENDJOBFINISH", fields: []field{
		{"ToUserName", p.opts.Account},
		{"FromUserName", "oR5Gjjl_eiZoUpGozMo7dbBJ362A"}, // WeChat's own mass-message helper
		{"CreateTime", p.opts.Wire().Unix()},
		{"MsgType", "event"},
		{"Event", "MASSSENDJOBFINISH"},
		{"MsgID", id},
		{"Status", "send success"},
		{"TotalCount", int64(total)},
		{"FilterCount", int64(total - filtered)},
		{"SentCount", int64(reached)},
		{"ErrorCount", int64(failed)},
	}}
}

// massPreview shows the message to one follower.
func (p *Platform) massPreview(c *call) (any, error) {
	var in massive
	if err := c.read(&in); err != nil {
		return nil, err
	}
	id, _ := in.ToUsers.(string)
	u := p.byOpenID[id]
	switch {
	case u == nil:
		return nil, errOpenID
	case !u.Follows:
		return nil, errNotFollower
	}
	b, err := p.bubble(&in.outgoing, "preview")
	if err != nil {
		return nil, err
	}
	p.say(u, b)
	return map[string]any{"errcode": 0, "errmsg": "preview success", "msg_id": p.nextMsgID()}, nil
}

// massGet tells whether a job is done; all of the sandbox's are.
func (p *Platform) massGet(c *call) (any, error) {
	var in struct {
		ID json.Number `json:"msg_id"`
	}
	if err := c.read(&in); err != nil {
		return nil, err
	}
	s, ok := p.s.Sends["mass-id "+in.ID.String()]
	if !ok {
		return nil, errcode(40059, "invalid msg id")
	}
	return map[string]any{"msg_id": s.MsgID, "msg_status": "SEND_SUCCESS"}, nil
}
