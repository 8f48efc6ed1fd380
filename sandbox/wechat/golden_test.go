package wechat_test

import (
	"flag"
	"os"
	"strings"
	"testing"

	"kaimenhong/sandbox/wechat"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestPushesAreByteForByteTheSame keeps the bodies of what people do: their
// elements, order and quoting are WeChat's.
func TestPushesAreByteForByteTheSame(t *testing.T) {
	r := newRig(t, func(o *wechat.Options) { o.Mode = wechat.Plain })
	r.call(r.with("/cgi-bin/menu/create"), `{"button":[{"type":"click","name":"查话费","key":"BALANCE"},{"type":"view","name":"商城","url":"https://example.com/mall"},{"type":"scancode_waitmsg","name":"扫一扫","key":"SCAN"}]}`)
	var all strings.Builder
	for _, do := range []func() error{
		func() error { return r.Follow("li", "shop") },
		func() error { return r.Follow("li", "shop") },
		func() error { return r.Say("li", wechat.Said{Text: "查话费 😀 ]]>", MenuID: "101"}) },
		func() error {
			return r.Say("li", wechat.Said{Location: &wechat.Place{Latitude: 23.134521, Longitude: 113.358803, Label: "天河"}})
		},
		func() error {
			return r.Say("li", wechat.Said{Link: &wechat.Link{Title: "年货", Description: "d", URL: "https://u.example"}})
		},
		func() error {
			return r.Say("li", wechat.Said{Reporting: &wechat.Reports{Latitude: 23.1, Longitude: 113.3, Precision: 65}})
		},
		func() error { _, err := r.Tap("li", "BALANCE"); return err },
		func() error { _, err := r.Tap("li", "商城"); return err },
		func() error { _, err := r.Tap("li", "SCAN"); return err },
		func() error {
			return r.Subscribe("li", wechat.Grant{Templates: []string{templateID(t, wechat.NoticeTemplate, "活动开始提醒")}})
		},
		func() error { return r.Unfollow("li") },
	} {
		before := len(r.app.all())
		r.must(do())
		r.idle()
		for _, g := range r.app.all()[before:] {
			all.WriteString(g.plain + "\n")
		}
	}
	const name = "testdata/pushes.golden"
	if *update {
		r.must(os.WriteFile(name, []byte(all.String()), 0o644))
	}
	want, err := os.ReadFile(name)
	r.must(err)
	if all.String() != string(want) {
		t.Errorf("pushed\n%s\nwant\n%s", all.String(), want)
	}
}
