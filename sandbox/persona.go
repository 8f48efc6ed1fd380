package sandbox

import (
	"fmt"

	"kaimenhong/model"
	"kaimenhong/sandbox/wechat"
)

// person is somebody whom a demonstration plays.
type person struct {
	id    string // the carrier's key of the persona
	phone string
}

// story is how the phone page introduces a persona.
type story struct{ name, hue, text string }

// stories are told by the carrier's persona keys.
var stories = map[string]story{
	"ordinary":    {"张北北", "#07c160", "广州的上班族，话费充足，偶尔查查还剩多少流量。"},
	"low_balance": {"李小满", "#fa9d3b", "余额只剩几块钱，担心明天停机，想尽快充值。"},
	"arrears":     {"王大勇", "#fa5151", "出差忘了交费，号码已经欠费停机。"},
	"data_low":    {"陈小鱼", "#10aeff", "刷视频太猛，本月流量马上见底，想买个流量包。"},
	"postpaid":    {"刘敏", "#6467f0", "后付费金卡老用户，每月对账单，积分攒了不少。"},
	"senior":      {"赵奶奶", "#c87d2f", "用孝心卡的老人家，喜欢发语音，字要大、话要简单。"},
	"student":     {"周天天", "#2782d7", "校园卡学生，余额不多，最爱领红包和兑换礼品。"},
	"recycled":    {"吴海", "#8a8a8a", "号码可以一键换机主，用来试试号码回收后的保护。"},
	"family":      {"郑爸爸", "#d4237a", "家庭融合套餐的户主，一家人共享流量和红包。"},
	"unlimited":   {"孙总", "#b8860b", "不限量钻石卡用户，要最快的服务。"},
}

// populate names everybody in the carrier's world towards WeChat: the personas by
// their keys, the others by their numbers.
func (s *Sandbox) populate() []wechat.User {
	personas := s.Carrier.Personas()
	known := make(map[string]bool, len(personas))
	users := make([]wechat.User, 0, len(personas))
	for _, p := range personas {
		known[p.Phone] = true
		s.people = append(s.people, person{p.Key, p.Phone})
		users = append(users, wechat.User{ID: p.Key, Name: stories[p.Key].name, Phone: p.Phone})
	}
	follow := s.opts.Followers
	for _, phone := range s.Carrier.Phones() {
		if known[phone] {
			continue
		}
		users = append(users, wechat.User{ID: "c" + phone, Phone: phone, Follows: follow > 0})
		follow--
	}
	return users
}

// Persona is somebody whom the phone page can be.
type Persona struct {
	wechat.Persona
	Phone       string    `json:"phone"`       // in full: this is nobody's number
	PhoneMasked string    `json:"phoneMasked"` // 138****8001
	Avatar      string    `json:"avatar"`      // one letter
	Hue         string    `json:"hue"`         // its background, #rrggbb
	Story       string    `json:"story"`
	Plan        string    `json:"plan"`
	City        string    `json:"city"`
	Status      string    `json:"status"` // active, suspended
	Balance     model.Fen `json:"balanceFen"`
	DataLeft    int64     `json:"dataLeftBytes"`
}

// Personas lists them as they stand now.
func (s *Sandbox) Personas() ([]Persona, error) {
	list := make([]Persona, 0, len(s.people))
	for _, p := range s.people {
		found, err := s.Persona(p.id)
		if err != nil {
			return nil, err
		}
		list = append(list, found)
	}
	return list, nil
}

// Persona returns one of them, or wechat.ErrNoUser.
func (s *Sandbox) Persona(id string) (Persona, error) {
	who, err := s.WeChat.Persona(id)
	if err != nil {
		return Persona{}, err
	}
	phone := s.phoneOf(id)
	line, err := s.Carrier.Look(phone)
	if err != nil {
		return Persona{}, fmt.Errorf("persona %q: %w", id, err)
	}
	number, err := model.ParsePhone(phone)
	if err != nil {
		return Persona{}, fmt.Errorf("persona %q: %w", id, err)
	}
	told := stories[id]
	if told.name == "" {
		told = story{line.Name, "#8a8a8a", line.Note}
	}
	who.Name = told.name
	return Persona{
		Persona: who, Phone: phone, PhoneMasked: number.Masked(), Avatar: string([]rune(told.name)[:1]), Hue: told.hue,
		Story: told.text, Plan: line.Plan, City: line.City, Status: line.Status, Balance: model.Fen(line.Balance), DataLeft: line.DataLeft,
	}, nil
}

// phoneOf returns the number of a persona or of one of the crowd.
func (s *Sandbox) phoneOf(id string) string {
	for _, p := range s.people {
		if p.id == id {
			return p.phone
		}
	}
	if len(id) > 1 {
		return id[1:]
	}
	return ""
}
