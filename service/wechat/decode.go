package wechat

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"math"
	"strconv"
	"strings"

	"kaimenhong/model"
)

// MaxFields is how many leaves that have no place of their own in model.Inbound are
// kept; further ones are dropped.
const MaxFields = 64

// Bounds of what is kept by name, in bytes.
const (
	maxKind    = 64
	maxSeconds = 1 << 36 // of CreateTime: the year 4147
)

// envelope is the outer body of an encrypted call.
type envelope struct{ encrypt string }

func (e *envelope) leaf(path, value string) error {
	if strings.TrimSuffix(path, "#2") != "Encrypt" {
		return nil
	}
	if e.encrypt != "" {
		return ErrMalformed
	}
	e.encrypt = value
	return nil
}

// inbound is what a body says, before it is known what it is.
type inbound struct {
	known  [slots]string
	seen   uint32 // bit set of known ones that occurred
	fields map[string]string
}

// The leaves that have a place of their own. MsgId is a message's own id; MsgID is
// that of the template or mass message that a report is about.
const (
	toUserName = iota
	fromUserName
	createTime
	msgType
	event
	eventKey
	msgID
	reportID
	content
	recognition
	mediaID
	picURL
	linkURL
	title
	placeLabel
	placeX
	placeY
	latitude
	longitude
	precision
	ticket
	status
	slots
)

func slotOf(path string) int {
	switch path {
	case "ToUserName":
		return toUserName
	case "FromUserName":
		return fromUserName
	case "CreateTime":
		return createTime
	case "MsgType":
		return msgType
	case "Event":
		return event
	case "EventKey":
		return eventKey
	case "MsgId":
		return msgID
	case "MsgID":
		return reportID
	case "Content":
		return content
	case "Recognition":
		return recognition
	case "MediaId":
		return mediaID
	case "PicUrl":
		return picURL
	case "Url":
		return linkURL
	case "Title":
		return title
	case "Label":
		return placeLabel
	case "Location_X":
		return placeX
	case "Location_Y":
		return placeY
	case "Latitude":
		return latitude
	case "Longitude":
		return longitude
	case "Precision":
		return precision
	case "Ticket":
		return ticket
	case "Status":
		return status
	}
	return slots
}

// leaf keeps a leaf. One that the product acts on occurs once: with two, it would
// depend on the reader who sent the message.
func (m *inbound) leaf(path, value string) error {
	slot := slotOf(strings.TrimSuffix(path, "#2"))
	if slot == slots {
		m.field(path, value)
		return nil
	}
	if m.seen&(1<<slot) != 0 {
		return ErrMalformed
	}
	m.seen |= 1 << slot
	m.known[slot] = value
	return nil
}

// field keeps a further field, the first of its name.
func (m *inbound) field(path, value string) {
	if len(m.fields) >= MaxFields {
		return
	}
	if m.fields == nil {
		m.fields = map[string]string{}
	}
	if _, taken := m.fields[path]; !taken {
		m.fields[path] = value
	}
}

// decode turns a verified body into a Call.
func (c *Codec) decode(text string, key *messageKey) (Call, error) {
	var m inbound
	if err := scan(text, &m); err != nil {
		return Call{}, err
	}
	call := Call{key: key, json: strings.HasPrefix(strings.TrimLeft(text, "\ufeff \t\r\n"), "{")}
	in := &call.Inbound
	k := &m.known
	seconds, err := strconv.ParseInt(strings.TrimSpace(k[createTime]), 10, 64)
	if err != nil || seconds <= 0 || seconds > maxSeconds {
		return Call{}, ErrMalformed
	}
	if k[fromUserName] == "" || len(k[fromUserName]) > model.MaxOpenID || k[toUserName] == "" || k[msgType] == "" {
		return Call{}, ErrMalformed
	}
	in.App, in.Account = c.app, k[toUserName]
	in.CreatedAt = model.Millis(seconds * 1000)
	in.Kind = kindOf(k[msgType], k[event])
	in.Key, in.OpenID = m.key(in.Kind)
	if !known[in.Kind] {
		in.ReceivedRaw, in.Raw = true, []byte(text)
		return call, nil
	}
	m.fill(in)
	return call, nil
}

// fill sets what belongs to a known kind.
func (m *inbound) fill(in *model.Inbound) {
	k := &m.known
	in.MediaID, in.Title, in.Label = k[mediaID], k[title], k[placeLabel]
	in.URL = cmp.Or(k[picURL], k[linkURL])
	in.EventKey, in.Ticket, in.Status = k[eventKey], k[ticket], k[status]
	in.MsgID = cmp.Or(k[msgID], k[reportID])
	in.Latitude = m.coordinate(cmp.Or(k[placeX], k[latitude]))
	in.Longitude = m.coordinate(cmp.Or(k[placeY], k[longitude]))
	in.Precision = m.coordinate(k[precision])
	switch in.Kind {
	case model.InText:
		in.Text, k[content] = k[content], ""
	case model.InVoice:
		in.Text, k[recognition] = k[recognition], ""
	case model.InSubscribe:
		in.EventKey = strings.TrimPrefix(in.EventKey, "qrscene_")
	case model.InView:
		in.URL = in.EventKey
	}
	if k[content] != "" {
		m.field("Content", k[content])
	}
	if k[recognition] != "" {
		m.field("Recognition", k[recognition])
	}
	if k[event] != "" && !strings.HasPrefix(string(in.Kind), eventPrefix) {
		m.field("Event", k[event])
	}
	in.Fields = m.fields
}

// coordinate reads a decimal number; 0 for none or for what is no finite one.
func (m *inbound) coordinate(s string) float64 {
	if s == "" {
		return 0
	}
	f, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
	if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
		return 0
	}
	return f
}

const eventPrefix = "event."

// kindOf names the kind; the common ones without making a string.
func kindOf(msgType, event string) model.InboundKind {
	if msgType == "text" {
		return model.InText
	}
	kind := strings.ToLower(msgType)
	if kind == "event" {
		kind = eventPrefix + strings.ToLower(event)
	}
	return model.InboundKind(kind[:min(len(kind), maxKind)])
}

// key names the message the same for each of its tries: openid and MsgId, or a
// digest where there is no MsgId or the name would be too long or unprintable.
//
// An event is told by openid, CreateTime, Event and EventKey, as WeChat says, and
// by the MsgID of its report beside them: two template messages that arrive within
// one second differ in nothing else.
//
// The openid is returned as a part of the key, so that keeping it does not keep
// the whole body in memory.
func (m *inbound) key(kind model.InboundKind) (model.RequestID, model.OpenID) {
	k := &m.known
	openID := k[fromUserName]
	if k[msgID] != "" && kind != "" && !strings.HasPrefix(string(kind), eventPrefix) {
		if key := model.RequestID(openID + "." + k[msgID]); key.Valid() {
			return key, model.OpenID(key[:len(openID)])
		}
	}
	digest := sha256.New()
	for _, part := range []string{openID, k[createTime], string(kind), k[eventKey], k[msgID], k[reportID]} {
		digest.Write([]byte(strconv.Itoa(len(part))))
		digest.Write([]byte{':'})
		digest.Write([]byte(part))
	}
	return model.RequestID("e." + hex.EncodeToString(digest.Sum(nil)[:24])), model.OpenID(strings.Clone(openID))
}

// known are the kinds whose bodies the package understands; all others are kept
// raw. The names are WeChat's, in lower case.
var known = kinds(`text image voice video shortvideo location link miniprogrampage device_event file
	event.subscribe event.unsubscribe event.scan event.click event.view event.location
	event.scancode_push event.scancode_waitmsg event.pic_sysphoto event.pic_photo_or_album event.pic_weixin
	event.location_select event.view_miniprogram event.user_enter_tempsession
	event.templatesendjobfinish event.masssendjobfinish event.publishjobfinish
	event.subscribe_msg_popup_event event.subscribe_msg_change_event event.subscribe_msg_sent_event
	event.kf_create_session event.kf_close_session event.kf_switch_session
	event.qualification_verify_success event.qualification_verify_fail
	event.naming_verify_success event.naming_verify_fail event.annual_renew event.verify_expired
	event.wxa_media_check event.weapp_audit_success event.weapp_audit_fail event.weapp_audit_delay
	event.merchant_order event.shakearoundusershake
	event.user_authorize_invoice event.submit_invoice_title
	event.user_authorization_revoke event.user_authorization_cancellation event.user_info_modified`)

func kinds(names string) map[model.InboundKind]bool {
	out := map[model.InboundKind]bool{}
	for name := range strings.FieldsSeq(names) {
		out[model.InboundKind(name)] = true
	}
	return out
}
