package wechat_test

import (
	"fmt"
	"maps"
	"os"
	"strings"
	"testing"

	"kaimenhong/model"
	"kaimenhong/service/wechat"
)

func message(kind, rest string) string {
	return `<xml><ToUserName>gh_1</ToUserName><FromUserName>oUser</FromUserName><CreateTime>1714037059</CreateTime><MsgType>` + kind + `</MsgType>` + rest + `</xml>`
}

func TestEachKindFillsItsFields(t *testing.T) {
	for _, tt := range []struct {
		name, body string
		check      func(in model.Inbound) bool
	}{
		{"text", message("text", "<Content>查 话费</Content><MsgId>1</MsgId><bizmsgmenuid>7</bizmsgmenuid>"), func(in model.Inbound) bool {
			return in.Kind == model.InText && in.Text == "查 话费" && in.MsgID == "1" && in.Fields["bizmsgmenuid"] == "7"
		}},
		{"voice with its words", message("voice", "<MediaId>m</MediaId><Format>amr</Format><Recognition>查流量</Recognition><MsgId>1</MsgId>"), func(in model.Inbound) bool {
			return in.Kind == model.InVoice && in.Text == "查流量" && in.MediaID == "m" && in.Fields["Format"] == "amr"
		}},
		{"image", message("image", "<PicUrl>http://p</PicUrl><MediaId>m</MediaId><MsgId>1</MsgId>"), func(in model.Inbound) bool {
			return in.Kind == model.InImage && in.URL == "http://p" && in.MediaID == "m"
		}},
		{"short video", message("shortvideo", "<MediaId>m</MediaId><ThumbMediaId>t</ThumbMediaId><MsgId>1</MsgId>"), func(in model.Inbound) bool {
			return in.Kind == model.InShortVideo && in.MediaID == "m" && in.Fields["ThumbMediaId"] == "t"
		}},
		{"location", message("location", "<Location_X>23.134521</Location_X><Location_Y>113.358803</Location_Y><Scale>20</Scale><Label>位置</Label><MsgId>1</MsgId>"), func(in model.Inbound) bool {
			return in.Kind == model.InLocation && in.Latitude == 23.134521 && in.Longitude == 113.358803 && in.Label == "位置" && in.Fields["Scale"] == "20"
		}},
		{"a location that is none", message("location", "<Location_X>NaN</Location_X><Location_Y>1e999</Location_Y><MsgId>1</MsgId>"), func(in model.Inbound) bool {
			return in.Latitude == 0 && in.Longitude == 0
		}},
		{"link", message("link", "<Title>t</Title><Description>d</Description><Url>http://u</Url><MsgId>1</MsgId>"), func(in model.Inbound) bool {
			return in.Kind == model.InLink && in.Title == "t" && in.URL == "http://u" && in.Fields["Description"] == "d"
		}},
		{"a follow by a code's scene", message("event", "<Event>subscribe</Event><EventKey>qrscene_123123</EventKey><Ticket>T</Ticket>"), func(in model.Inbound) bool {
			return in.Kind == model.InSubscribe && in.EventKey == "123123" && in.Ticket == "T"
		}},
		{"a scan", message("event", "<Event>SCAN</Event><EventKey>123</EventKey>"), func(in model.Inbound) bool { return in.Kind == model.InScan && in.EventKey == "123" }},
		{"a click", message("event", "<Event>CLICK</Event><EventKey>BALANCE</EventKey>"), func(in model.Inbound) bool {
			return in.Kind == model.InClick && in.EventKey == "BALANCE"
		}},
		{"a view", message("event", "<Event>VIEW</Event><EventKey>https://u</EventKey>"), func(in model.Inbound) bool { return in.Kind == model.InView && in.URL == "https://u" }},
		{"a reported place", message("event", "<Event>LOCATION</Event><Latitude>23.1</Latitude><Longitude>113.3</Longitude><Precision>119.4</Precision>"), func(in model.Inbound) bool {
			return in.Kind == model.InLocationSent && in.Latitude == 23.1 && in.Longitude == 113.3 && in.Precision == 119.4
		}},
		{"a delivery report", message("event", "<Event>TEMPLATESENDJOBFINISH</Event><MsgID>200163836</MsgID><Status>success</Status>"), func(in model.Inbound) bool {
			return in.Kind == "event.templatesendjobfinish" && in.MsgID == "200163836" && in.Status == "success"
		}},
		{"a device", message("device_event", "<Event>bind</Event><Content>MTIz</Content><MsgId>1</MsgId>"), func(in model.Inbound) bool {
			return in.Kind == "device_event" && in.Fields["Event"] == "bind" && in.Fields["Content"] == "MTIz" && in.Text == ""
		}},
		{"consents in a list", `{"ToUserName":"gh","FromUserName":"o","CreateTime":"1","MsgType":"event","Event":"subscribe_msg_popup_event","List":[{"TemplateId":"a"},{"TemplateId":"b"}]}`, func(in model.Inbound) bool {
			return maps.Equal(in.Fields, map[string]string{"List.TemplateId": "a", "List#2.TemplateId": "b"}) && in.CreatedAt == 1000
		}},
		{"one consent as an object", `{"ToUserName":"gh","FromUserName":"o","CreateTime":1,"MsgType":"event","Event":"subscribe_msg_popup_event","List":{"TemplateId":"a"}}`, func(in model.Inbound) bool {
			return maps.Equal(in.Fields, map[string]string{"List.TemplateId": "a"})
		}},
		{"an unknown kind is kept raw", message("event", "<Event>Brand_New</Event><X>1</X>"), func(in model.Inbound) bool {
			return in.ReceivedRaw && in.Kind == "event.brand_new" && strings.Contains(string(in.Raw), "<X>1</X>")
		}},
		{"an endless kind is cut", message(strings.Repeat("k", 500), ""), func(in model.Inbound) bool { return in.ReceivedRaw && len(in.Kind) == 64 }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			call, err := plainCall(t, tt.body)
			if err != nil {
				t.Fatal(err)
			}
			if !tt.check(call.Inbound) || !call.Inbound.Key.Valid() {
				t.Errorf("Open = %+v", call.Inbound)
			}
		})
	}
}

func TestAtMost64FieldsAreKept(t *testing.T) {
	var more strings.Builder
	for i := range 100 {
		fmt.Fprintf(&more, "<F%d>x</F%d>", i, i)
	}
	call, err := plainCall(t, message("text", more.String()))
	if err != nil || len(call.Inbound.Fields) != wechat.MaxFields {
		t.Fatalf("Open kept %d fields, %v, want %d", len(call.Inbound.Fields), err, wechat.MaxFields)
	}
}

func TestKeysTellMessagesApart(t *testing.T) {
	event := func(openID, at, event, key, id string) string {
		return `<xml><ToUserName>gh_1</ToUserName><FromUserName>` + openID + `</FromUserName><CreateTime>` + at + `</CreateTime><MsgType>event</MsgType><Event>` +
			event + `</Event><EventKey>` + key + `</EventKey><MsgID>` + id + `</MsgID></xml>`
	}
	seen := map[model.RequestID]string{}
	for _, body := range []string{
		message("text", "<MsgId>1</MsgId>"), message("text", "<MsgId>2</MsgId>"), message("text", ""), message("image", ""),
		message("text", "<MsgId>"+strings.Repeat("9", 80)+"</MsgId>"), message("text", "<MsgId>一</MsgId>"),
		event("oA", "1", "CLICK", "K", ""), event("oB", "1", "CLICK", "K", ""), event("oA", "2", "CLICK", "K", ""),
		event("oA", "1", "VIEW", "K", ""), event("oA", "1", "CLICK", "L", ""), event("oA", "1", "CLICK", "", "K"),
		event("oA1", "1", "CLICK", "", ""), event("oA", "11", "CLICK", "", ""),
		event("oA", "1", "TEMPLATESENDJOBFINISH", "", "1"), event("oA", "1", "TEMPLATESENDJOBFINISH", "", "2"),
	} {
		call, err := plainCall(t, body)
		if err != nil {
			t.Fatal(err)
		}
		again, err := plainCall(t, strings.Replace(body, "gh_1", "gh_1 ", 1))
		if err != nil || again.Inbound.Key != call.Inbound.Key {
			t.Errorf("a repeat has the key %q, want %q", again.Inbound.Key, call.Inbound.Key)
		}
		key := call.Inbound.Key
		if !key.Valid() {
			t.Errorf("key %q of %s is not valid", key, body)
		}
		if other, taken := seen[key]; taken {
			t.Errorf("one key for\n%s\nand\n%s", other, body)
		}
		seen[key] = body
	}
}

// FuzzOpen gives the codec any body under a right signature, in every mode.
func FuzzOpen(f *testing.F) {
	f.Add([]byte(hello))
	f.Add([]byte(`{"ToUserName":"gh","FromUserName":"o","CreateTime":"1","MsgType":"event"}`))
	if body, err := os.ReadFile("testdata/callback/wechatpy_shakearound_user_shake_event.xml"); err == nil {
		f.Add(body)
	}
	plain, safe := testCodec(f, wechat.Plain), testCodec(f, wechat.Safe)
	f.Fuzz(func(t *testing.T, body []byte) {
		a, errA := plain.Open(signedQuery(testNow, ""), body)
		if len(body) > 40000 {
			return
		}
		sealed := encrypt(t, testKey, padded(string(body), testApp))
		b, errB := safe.Open(signedQuery(testNow, sealed), []byte(envelopeOf(sealed)))
		if fmt.Sprint(errA) != fmt.Sprint(errB) || a.Inbound.Key != b.Inbound.Key {
			t.Fatalf("plain mode says %v, safe mode %v", errA, errB)
		}
		if errA != nil {
			return
		}
		if in := a.Inbound; !in.Key.Valid() || in.OpenID == "" || len(in.Fields) > wechat.MaxFields || len(in.Kind) > 64 {
			t.Fatalf("Open = %+v", in)
		}
		if _, _, err := safe.Reply(nil, &b, model.Text("x")); err != nil {
			t.Fatal(err)
		}
	})
}
