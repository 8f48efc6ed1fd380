package wechat

import (
	"log/slog"
	"testing"
	"time"
)

// FuzzAnswer feeds any answer of a callback to the reader of passive answers: it
// must refuse or show, and never fail.
func FuzzAnswer(f *testing.F) {
	now := func() time.Time { return time.Unix(1771243200, 0) }
	p, err := New(now, slog.New(slog.DiscardHandler), nil, Options{
		AppID: "wx1", AppSecret: "a", MiniAppID: "wx2", MiniAppSecret: "b", Token: "t", Mode: Compatible, Account: "gh_1",
		AESKey: "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C", Users: []User{{ID: "u", Follows: true}},
	})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(p.Close)
	u := p.byID["u"]
	head := "<xml><ToUserName>" + u.OpenID + "</ToUserName><FromUserName>gh_1</FromUserName><CreateTime>1</CreateTime>"
	for _, seed := range []string{
		"", "success", "<xml>", "<xml></xml><xml></xml>", "<xml><Encrypt>AAAA</Encrypt></xml>",
		head + "<MsgType>text</MsgType><Content><![CDATA[<a href=\"weixin://bizmsgmenu?msgmenucontent=1&msgmenuid=2\">a</a>]]></Content></xml>",
		head + "<MsgType>news</MsgType><ArticleCount>1</ArticleCount><Articles><item><Title>a</Title></item></Articles></xml>",
		head + "<MsgType>transfer_customer_service</MsgType><TransInfo><KfAccount>a@b</KfAccount></TransInfo></xml>",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, answer []byte) {
		got, _ := p.understand(&push{user: u, name: "text", shows: true, first: 1}, answer)
		if got.failed && len(got.bubbles) > 0 {
			t.Errorf("a refused answer shows %d bubbles", len(got.bubbles))
		}
		for _, b := range got.bubbles {
			if b.Kind == "text" && b.Text == "" && len(b.Spans) > 0 {
				t.Errorf("spans without a text: %+v", b)
			}
		}
	})
}
