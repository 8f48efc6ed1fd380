package wechat_test

import (
	"testing"
	"time"

	"kaimenhong/sandbox/wechat"
)

// use tells whether a token works: 0, or the errcode.
func (r *rig) use(token string) int {
	r.t.Helper()
	return errcode(r.t, r.call("/cgi-bin/getcallbackip?access_token="+token, nil))
}

// plain takes a token of the old kind, "" when it is refused.
func (r *rig) plain() string {
	r.t.Helper()
	token, _ := r.call("/cgi-bin/token?grant_type=client_credential&appid="+appID+"&secret="+secret, nil)["access_token"].(string)
	return token
}

type tokenRule struct {
	name string
	do   func(t *testing.T, r *rig)
}

func TestStableTokensLiveAndDieByTheRules(t *testing.T) {
	for _, tt := range []tokenRule{
		{"normal mode gives the same token until its last five minutes, then both live", func(t *testing.T, r *rig) {
			a := r.stable(appID, secret, false)
			r.clock.move(114 * time.Minute)
			if b := r.stable(appID, secret, false); b != a {
				t.Error("renewed too early")
			}
			r.clock.move(2 * time.Minute)
			b := r.stable(appID, secret, false)
			if a == b || r.use(a) != 0 || r.use(b) != 0 {
				t.Errorf("same %v, old %d, new %d", a == b, r.use(a), r.use(b))
			}
			r.clock.move(5 * time.Minute)
			if r.use(a) != 42001 || r.use(b) != 0 {
				t.Errorf("after its time: old %d, new %d", r.use(a), r.use(b))
			}
		}},
		{"force_refresh ends the old token at once, but not within 30 s", func(t *testing.T, r *rig) {
			a := r.stable(appID, secret, false)
			b := r.stable(appID, secret, true)
			if a == b || r.use(a) != 40001 || r.use(b) != 0 {
				t.Errorf("same %v, old %d, new %d", a == b, r.use(a), r.use(b))
			}
			r.clock.move(29 * time.Second)
			if r.stable(appID, secret, true) != b {
				t.Error("refreshed within 30 s")
			}
			r.clock.move(time.Second)
			if r.stable(appID, secret, true) == b {
				t.Error("not refreshed after 30 s")
			}
		}},
		{"twenty forced refreshes a day", func(t *testing.T, r *rig) {
			for range 20 {
				r.stable(appID, secret, true)
				r.clock.move(30 * time.Second)
			}
			body := map[string]any{"grant_type": "client_credential", "appid": appID, "secret": secret, "force_refresh": true}
			if got := errcode(t, r.call("/cgi-bin/stable_token", body)); got != 45009 {
				t.Errorf("the 21st = %d, want 45009", got)
			}
			r.clock.move(24 * time.Hour)
			r.stable(appID, secret, true)
		}},
		{"a token of 512 characters at most, with what is left of it", func(t *testing.T, r *rig) {
			m := r.call("/cgi-bin/stable_token", map[string]any{"grant_type": "client_credential", "appid": appID, "secret": secret})
			if got, _ := m["access_token"].(string); len(got) < 100 || len(got) > 512 {
				t.Errorf("%d characters", len(got))
			}
			r.clock.move(time.Hour)
			m = r.call("/cgi-bin/stable_token", map[string]any{"grant_type": "client_credential", "appid": appID, "secret": secret})
			if got := m["expires_in"]; got != jsonNumber("3600") {
				t.Errorf("expires_in = %v, want 3600", got)
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) { tt.do(t, newRig(t, nil)) })
	}
}

func TestPlainTokensLiveAndDieByTheRules(t *testing.T) {
	for _, tt := range []tokenRule{
		{"cgi-bin/token gives a new one each time; the one before lives five minutes", func(t *testing.T, r *rig) {
			a, b := r.plain(), r.plain()
			if a == b || r.use(a) != 0 || r.use(b) != 0 {
				t.Errorf("same %v, old %d, new %d", a == b, r.use(a), r.use(b))
			}
			r.clock.move(5 * time.Minute)
			if r.use(a) != 40001 || r.use(b) != 0 {
				t.Errorf("after five minutes: old %d, new %d", r.use(a), r.use(b))
			}
		}},
		{"the two kinds leave each other alone", func(t *testing.T, r *rig) {
			a, b := r.stable(appID, secret, false), r.plain()
			r.plain()
			r.clock.move(6 * time.Minute)
			if r.use(a) != 0 || r.use(b) != 40001 {
				t.Errorf("stable %d, plain %d", r.use(a), r.use(b))
			}
		}},
		{"2,000 plain tokens a day", func(t *testing.T, r *rig) {
			for range 2000 {
				if r.plain() == "" {
					t.Fatal("refused too early")
				}
			}
			if r.plain() != "" {
				t.Error("the 2,001st is given")
			}
		}},
		{"all of them can be ended", func(t *testing.T, r *rig) {
			a := r.stable(appID, secret, false)
			r.ExpireTokens()
			if got := r.use(a); got != 40001 {
				t.Errorf("ended = %d, want 40001", got)
			}
			if b := r.stable(appID, secret, false); a == b || r.use(b) != 0 {
				t.Error("no new one")
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) { tt.do(t, newRig(t, nil)) })
	}
}

func TestCredentialsAreChecked(t *testing.T) {
	r := newRig(t, nil)
	for _, tt := range []struct {
		name string
		body string
		want int
	}{
		{"another appid", `{"grant_type":"client_credential","appid":"wx1","secret":"` + secret + `"}`, 40013},
		{"a wrong secret", `{"grant_type":"client_credential","appid":"` + appID + `","secret":"x"}`, 40125},
		{"the secret of the other app", `{"grant_type":"client_credential","appid":"` + appID + `","secret":"` + miniSecret + `"}`, 40125},
		{"no appid", `{"grant_type":"client_credential","secret":"x"}`, 41002},
		{"no secret", `{"grant_type":"client_credential","appid":"` + appID + `"}`, 41004},
		{"another grant", `{"grant_type":"password","appid":"` + appID + `","secret":"` + secret + `"}`, 40002},
		{"no JSON", `grant_type=client_credential`, 47001},
	} {
		if got := errcode(t, r.call("/cgi-bin/stable_token", tt.body)); got != tt.want {
			t.Errorf("%s = %d, want %d", tt.name, got, tt.want)
		}
	}
	for _, tt := range []struct {
		name, path string
		body       any
		want       int
	}{
		{"no token", "/cgi-bin/user/info?openid=x", nil, 41001},
		{"a made-up token", "/cgi-bin/user/info?openid=x&access_token=abc", nil, 40001},
		{"the mini-program at the account's call", "/cgi-bin/user/info?openid=x&access_token=" + r.stable(miniID, miniSecret, false), nil, 48001},
		{"the account at the mini-program's call", r.with("/wxa/getwxacodeunlimit"), map[string]string{"scene": "a"}, 48001},
		{"GET where POST is due", r.with("/cgi-bin/message/custom/send"), nil, 43002},
		{"no such path", "/cgi-bin/nothing", nil, 40066},
		{"a body above 1 MB", r.with("/cgi-bin/message/custom/send"), string(make([]byte, 1<<20+1)), 45002},
	} {
		if got := errcode(t, r.call(tt.path, tt.body)); got != tt.want {
			t.Errorf("%s = %d, want %d", tt.name, got, tt.want)
		}
	}
}

func TestQuotasOfTheDay(t *testing.T) {
	const path = "/cgi-bin/message/custom/send"
	r := newRig(t, func(o *wechat.Options) { o.Quotas = map[string]int{path: 3} })
	body := customText("nobody", "x")
	for i := range 3 {
		if got := r.code(path, body); got != 40003 {
			t.Fatalf("call %d = %d, want 40003", i+1, got)
		}
	}
	if got := r.code(path, body); got != 45009 {
		t.Errorf("the fourth = %d, want 45009", got)
	}
	left := r.call(r.with("/cgi-bin/openapi/quota/get"), map[string]string{"cgi_path": path})["quota"].(map[string]any)
	if left["daily_limit"] != jsonNumber("3") || left["used"] != jsonNumber("3") || left["remain"] != jsonNumber("0") {
		t.Errorf("quota = %v", left)
	}
	if got := r.code("/cgi-bin/openapi/quota/get", map[string]string{"cgi_path": "/x"}); got != 76021 {
		t.Errorf("quota of no path = %d, want 76021", got)
	}
	r.clock.move(24 * time.Hour)
	r.token = ""
	if got := r.code(path, body); got != 40003 {
		t.Errorf("the next day = %d, want 40003", got)
	}
	for i := range 10 {
		if got := r.code("/cgi-bin/clear_quota", map[string]string{"appid": appID}); got != 0 {
			t.Fatalf("clearing %d = %d", i+1, got)
		}
	}
	if got := r.code("/cgi-bin/clear_quota", map[string]string{"appid": appID}); got != 48006 {
		t.Errorf("the eleventh clearing = %d, want 48006", got)
	}
	if got := r.code("/cgi-bin/clear_quota", map[string]string{"appid": miniID}); got != 40013 {
		t.Errorf("clearing another app = %d, want 40013", got)
	}
}
