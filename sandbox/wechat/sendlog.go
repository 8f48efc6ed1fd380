package wechat

import "kaimenhong/model"

// Send is one message of the account that reached a person: WeChat's own book, by
// which a campaign's report is checked.
type Send struct {
	Seq      int64        `json:"seq"`
	At       model.Millis `json:"at"`
	Channel  string       `json:"channel"` // custom, template, bizsend, subscribe, mass
	Persona  string       `json:"persona"`
	OpenID   string       `json:"openid"` // by which he was called
	MsgID    int64        `json:"msgId,omitempty"`
	ClientID string       `json:"clientId,omitempty"` // client_msg_id, clientmsgid
	Template string       `json:"template,omitempty"`
	Page     string       `json:"page,omitempty"`
	Text     string       `json:"text,omitempty"`
}

// record writes a message that reached a person; the lock is held. The oldest are
// dropped when there are MaxSends.
func (p *Platform) record(s Send) {
	p.sendSeq++
	s.Seq, s.At = p.sendSeq, model.At(p.now())
	if len(p.sends) >= p.opts.MaxSends {
		keep := p.opts.MaxSends * 9 / 10
		p.sends = append(p.sends[:0], p.sends[len(p.sends)-keep:]...)
	}
	p.sends = append(p.sends, s)
}

// maxSendPage bounds what one call of Sends answers.
const maxSendPage = 10_000

// Sends lists the messages that reached people, after one (0: from the first), in
// their order, at most limit and 10,000.
func (p *Platform) Sends(after int64, limit int) []Send {
	p.mu.Lock()
	defer p.mu.Unlock()
	from := 0
	if n := len(p.sends); n > 0 {
		from = int(min(max(after-p.sends[0].Seq+1, 0), int64(n)))
	}
	rest := p.sends[from:]
	return append([]Send{}, rest[:min(len(rest), max(limit, 0), maxSendPage)]...)
}
