package wechat

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// field is one element of a pushed message: text, a number, or elements of its
// own. Order is kept, as WeChat's own messages have one.
type field struct {
	name  string
	value any // string, int64, float64, []field, or [][]field for a repeated element
}

// xmlBody writes the fields as the official account gets them.
func xmlBody(fields []field) []byte {
	var b bytes.Buffer
	writeXML(&b, "xml", fields)
	return b.Bytes()
}

func writeXML(b *bytes.Buffer, name string, value any) {
	if many, ok := value.([][]field); ok {
		for _, one := range many {
			writeXML(b, name, one)
		}
		return
	}
	fmt.Fprintf(b, "<%s>", name)
	switch v := value.(type) {
	case string:
		b.WriteString(cdata(v))
	case []field:
		for _, f := range v {
			writeXML(b, f.name, f.value)
		}
	default:
		fmt.Fprint(b, v)
	}
	fmt.Fprintf(b, "</%s>", name)
}

// cdata keeps any text whole: a "]]>" within it is cut in two.
func cdata(s string) string {
	return "<![CDATA[" + strings.ReplaceAll(s, "]]>", "]]]]><![CDATA[>") + "]]>"
}

// jsonBody writes the fields as a mini-program may choose to get them. A single
// element of a list comes as an object, several as an array, as WeChat does.
func jsonBody(fields []field) []byte {
	var b bytes.Buffer
	writeJSON(&b, fields)
	return b.Bytes()
}

func writeJSON(b *bytes.Buffer, value any) {
	switch v := value.(type) {
	case []field:
		b.WriteByte('{')
		for i, f := range v {
			if i > 0 {
				b.WriteByte(',')
			}
			fmt.Fprintf(b, "%q:", f.name)
			writeJSON(b, f.value)
		}
		b.WriteByte('}')
	case [][]field:
		if len(v) == 1 {
			writeJSON(b, v[0])
			return
		}
		b.WriteByte('[')
		for i, one := range v {
			if i > 0 {
				b.WriteByte(',')
			}
			writeJSON(b, one)
		}
		b.WriteByte(']')
	default:
		raw, err := json.Marshal(v)
		if err != nil {
			panic(fmt.Sprintf("a field of type %T: %v", v, err)) // a mistake of this package
		}
		b.Write(raw)
	}
}

// push is one message or event on its way to a callback.
type push struct {
	user   *user
	name   string // text, event.CLICK …: for the inspector and the chaos
	mini   bool
	msgID  string
	fields []field
	shows  bool // the answer goes into the user's chat, a failure too
	first  int  // articles that a news answer may have
}

// message starts a message (not an event) of the user.
func (p *Platform) message(u *user, kind string, fields ...field) *push {
	id := p.nextMsgID()
	all := append(p.head(u, kind), fields...)
	all = append(all, field{"MsgId", id})
	return &push{user: u, name: kind, msgID: fmt.Sprint(id), fields: all, shows: true, first: 1}
}

// event starts an event; shows tells that WeChat takes a passive answer to it.
func (p *Platform) event(u *user, name string, shows bool, fields ...field) *push {
	all := append(p.head(u, "event"), field{"Event", name})
	return &push{user: u, name: "event." + name, fields: append(all, fields...), shows: shows, first: 8}
}

func (p *Platform) head(u *user, kind string) []field {
	return []field{
		{"ToUserName", p.opts.Account},
		{"FromUserName", u.OpenID},
		{"CreateTime", p.opts.Wire().Unix()},
		{"MsgType", kind},
	}
}

// miniEvent starts an event of the mini-program.
func (p *Platform) miniEvent(u *user, name string, fields ...field) *push {
	all := []field{
		{"ToUserName", p.miniAccount()},
		{"FromUserName", u.MiniOpenID},
		{"CreateTime", p.opts.Wire().Unix()},
		{"MsgType", "event"},
		{"Event", name},
	}
	return &push{user: u, name: "event." + name, mini: true, fields: append(all, fields...)}
}

func (p *Platform) miniAccount() string {
	return "gh_" + digest(p.opts.Seed, "account", p.opts.MiniAppID)[:12]
}
