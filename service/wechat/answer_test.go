package wechat

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzAnswer reads any answer: it is understood, refused or not understood, and
// what is kept of its text is short and clean.
func FuzzAnswer(f *testing.F) {
	for _, seed := range []string{
		`{"errcode":0,"errmsg":"ok"}`, `{"errcode":-1,"errmsg":"system error"}`, `{"errcode":"0"}`, `{}`, `[]`, `null`, ``, `{`, "\x89PNG",
		`{"errcode":45065,"errmsg":"clientmsgid exist","msg_id":34182}`, `{"errcode":47001,"errmsg":"planted-secret ?access_token=abc \ud800"}`,
		`{"errcode":40001,"errmsg":"` + strings.Repeat("测", 1000) + `"}`,
	} {
		f.Add([]byte(seed), "application/json")
	}
	f.Add([]byte("\xff\xd8"), "image/jpeg")
	c := &Client{secrets: []string{"planted-secret", ""}}
	f.Fuzz(func(t *testing.T, raw []byte, contentType string) {
		var picture []byte
		var out struct {
			ID string `json:"id"`
		}
		for _, target := range []any{nil, &out, &picture} {
			err := decode(raw, contentType, target)
			var refused *errcode
			if err != nil && !errors.Is(err, errNotUnderstood) && !errors.As(err, &refused) {
				t.Fatalf("decode = %v", err)
			}
			err = c.classify(err, true, "planted-token")
			if err == nil {
				continue
			}
			text := err.Error()
			if strings.Contains(text, "planted-secret") || strings.Contains(text, "planted-token") || !utf8.ValidString(text) || len(text) > 3*maxErrorText+200 {
				t.Fatalf("kept %q", text)
			}
		}
	})
}

func TestScrubKeepsWhatHelps(t *testing.T) {
	c := &Client{secrets: []string{"s3cret"}}
	for _, tt := range []struct{ text, want string }{
		{"invalid ip 203.0.113.9, not in whitelist rid: 63a3c7ac-0f3a1fa3-7f3fd3e3", "invalid ip 203.0.113.9, not in whitelist rid: *** rid: 63a3c7ac-0f3a1fa3-7f3fd3e3"},
		{"dial tcp 127.0.0.1:1: connect: connection refused", "dial tcp 127.0.0.1:1: connect: connection refused"},
		{"GET https://api.weixin.qq.com/x?access_token=t", "GET ***"},
		{"appid=wx1&secret=s3cret&js_code=abc", "appid=wx1&***&***"},
		{"oABCDEFGHIJKLMNOPQRSTUVWXYZ1 is no openid", "*** is no openid"},
		{"the word s3cret", "the word ***"},
	} {
		if got := c.scrub(tt.text); got != tt.want {
			t.Errorf("scrub(%q) = %q, want %q", tt.text, got, tt.want)
		}
	}
}
