package config

import (
	"encoding/base64"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"kaimenhong/model/seal"
)

// report collects what is wrong, each with the setting and the fix.
type report struct{ mistakes []error }

func (r *report) need(ok bool, key, fix string) {
	if !ok {
		r.mistakes = append(r.mistakes, fmt.Errorf("%s (%s): %s", key, EnvironName(key), fix))
	}
}

// check returns everything that is wrong with the settings.
func (c Config) check() []error {
	var r report
	r.need(validAddr(c.HTTP.Addr), "http.addr", "write host:port or :port")
	for _, proxy := range c.HTTP.TrustedProxies {
		r.need(validNetwork(proxy), "http.trusted_proxies", "each must be an address or a network, as 10.0.0.0/8")
	}
	r.need(c.HTTP.ShutdownTimeout > 0, "http.shutdown_timeout", "must be more than 0")
	r.need(c.Database.DSN != "", "database.dsn", "is missing: write user:password@tcp(host:3306)/name, or sqlite:PATH")
	r.need(c.Database.MaxOpen >= 0, "database.max_open", "must not be negative")
	r.need(len(c.Redis.Addrs) > 0, "redis.addrs", "is missing: write host:6379, or embedded for a single replica")
	r.need(c.Redis.DB >= 0 && (c.Redis.DB == 0 || !c.Redis.Cluster), "redis.db", "must not be negative, and is 0 on a Cluster")
	c.WeChat.check(&r)
	r.need(validURL(c.Carrier.BaseURL), "carrier.base_url", "is missing: the http or https URL of the carrier's TM Forum API")
	r.need(c.Carrier.Token != "", "carrier.token", "is missing: the bearer token of the carrier's API")
	r.need(slices.Contains([]string{"mobile", "unicom", "telecom"}, c.Carrier.Brand), "carrier.brand", "must be mobile, unicom or telecom")
	r.need(c.Carrier.Timeout >= 100*time.Millisecond && c.Carrier.Timeout <= 10*time.Second, "carrier.timeout", "must lie between 100ms and 10s, for nobody waits longer for his answer")
	r.need(validURL(c.SMS.BaseURL), "sms.base_url", "is missing: the http or https URL of the SMS gateway")
	r.need(c.Push.DayCap >= 0 && c.Push.DayCap <= 100, "push.day_cap", "must lie between 0 and 100; 0 leaves it to the plans")
	r.need(c.Push.WeekCap >= 0 && c.Push.WeekCap <= 100, "push.week_cap", "must lie between 0 and 100; 0 leaves it to the plans")
	_, err := seal.Parse(c.Security.PhoneKey.Reveal())
	r.need(err == nil, "security.phone_key", `is missing or broken: write 1:KEY with KEY from "openssl rand -base64 32"`)
	r.need(decodedLen(c.Security.SessionKey.Reveal()) >= 32, "security.session_key", `is missing or short: write the output of "openssl rand -base64 32"`)
	for _, w := range c.Chat.Welcomes {
		source, text, ok := strings.Cut(w, "=")
		r.need(ok && source != "" && text != "", "chat.welcomes", "each must be SOURCE=TEXT, the source being the scene of a code")
	}
	r.need(slices.Contains([]string{"debug", "info", "warn", "error"}, c.Log.Level), "log.level", "must be debug, info, warn or error")
	r.need(slices.Contains([]string{"json", "text"}, c.Log.Format), "log.format", "must be json or text")
	r.need(c.Trace.Endpoint == "" || validURL(c.Trace.Endpoint), "trace.endpoint", "must be empty or an http or https URL")
	r.need(c.Trace.Ratio >= 0 && c.Trace.Ratio <= 1, "trace.ratio", "must lie between 0 and 1")
	return r.mistakes
}

func (w WeChat) check(r *report) {
	r.need(w.AppID != "", "wechat.app_id", "is missing: see 设置与开发 → 基本配置 of the official account")
	r.need(w.AppSecret != "", "wechat.app_secret", "is missing: see 设置与开发 → 基本配置 of the official account")
	r.need(validToken(w.Token.Reveal()), "wechat.token", "must be 3 to 32 letters and digits, the same as in 服务器配置")
	r.need(slices.Contains([]Mode{Plain, Compatible, Safe}, w.Mode), "wechat.mode", "must be plain, compatible or safe")
	r.need(w.Mode == Plain && w.EncodingAESKey == "" || validAESKey(w.EncodingAESKey), "wechat.encoding_aes_key", "must be the 43 characters of EncodingAESKey")
	r.need(w.PreviousAESKey == "" || validAESKey(w.PreviousAESKey), "wechat.previous_aes_key", "must be empty or 43 characters")
	r.need(validURL(w.BaseURL), "wechat.base_url", "must be an http or https URL")
	r.need(w.Freshness >= time.Second && w.Freshness <= time.Hour, "wechat.freshness", "must lie between 1s and 1h")
	r.need((w.MiniAppID == "") == (w.MiniAppSecret == ""), "wechat.mini_app_secret", "the mini-program's id and secret are set together or not at all")
	w.checkMini(r)
}

// checkMini checks what the mini-program's messages need.
func (w WeChat) checkMini(r *report) {
	if w.MiniToken == "" {
		return
	}
	r.need(w.MiniAppID != "", "wechat.mini_token", "needs wechat.mini_app_id")
	r.need(validToken(w.MiniToken.Reveal()), "wechat.mini_token", "must be empty or 3 to 32 letters and digits, the same as in 开发管理 → 消息推送")
	r.need(w.Mode == Plain && w.MiniEncodingAESKey == "" || validAESKey(w.MiniEncodingAESKey), "wechat.mini_encoding_aes_key", "must be the 43 characters of EncodingAESKey")
	r.need(w.MiniPreviousAESKey == "" || validAESKey(w.MiniPreviousAESKey), "wechat.mini_previous_aes_key", "must be empty or 43 characters")
}

func validToken(s string) bool {
	return len(s) >= 3 && len(s) <= 32 && strings.Trim(s, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") == ""
}

// validAESKey: 43 characters of base64 that make 32 bytes with "=". WeChat's own
// keys may have loose trailing bits, so the check is not strict.
func validAESKey(s Secret) bool { return len(s) == 43 && decodedLen(s.Reveal()+"=") == 32 }

func decodedLen(s string) int {
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		return 0
	}
	return len(b)
}

func validURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && u.User == nil
}

func validAddr(s string) bool {
	_, port, err := net.SplitHostPort(s)
	if err != nil {
		return false
	}
	_, err = net.LookupPort("tcp", port)
	return err == nil
}

func validNetwork(s string) bool {
	_, network := netip.ParsePrefix(s)
	_, address := netip.ParseAddr(s)
	return network == nil || address == nil
}
