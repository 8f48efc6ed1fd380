package wechat

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"

	"kaimenhong/model"
	"kaimenhong/model/fault"
)

// Quota is how often one interface may be called today.
type Quota struct {
	Limit int64 `json:"daily_limit"`
	Used  int64 `json:"used"`
	Left  int64 `json:"remain"`
}

// Quota looks an interface's quota up; path is like /cgi-bin/message/custom/send.
//
// developers.weixin.qq.com/doc/offiaccount/openApi/get_api_quota.html
func (c *Client) Quota(ctx context.Context, app model.App, path string) (Quota, error) {
	var out struct {
		Quota Quota `json:"quota"`
	}
	err := c.call(ctx, request{
		name: "quota_get", app: app, path: "/cgi-bin/openapi/quota/get", body: map[string]string{"cgi_path": path},
	}, &out)
	return out.Quota, err
}

// CallbackIPs are the addresses and networks from which WeChat calls.
func (c *Client) CallbackIPs(ctx context.Context) ([]string, error) {
	var out struct {
		IPs []string `json:"ip_list"`
	}
	err := c.call(ctx, request{
		name: "callback_ip", app: model.OfficialAccount, method: http.MethodGet, path: "/cgi-bin/getcallbackip",
	}, &out)
	return out.IPs, err
}

// Check finds out whether the credentials work, for `kaimenhong check`: it has
// WeChat look at each configured app's AppSecret, and makes one cheap call with
// the official account's token. All that is wrong comes back at once, each with
// what to do in its Text.
func (c *Client) Check(ctx context.Context) error {
	var wrong []error
	for _, app := range []model.App{model.OfficialAccount, model.MiniProgram} {
		provider := c.tokens[app]
		if provider == nil {
			continue
		}
		if _, _, err := provider.fetch(ctx, false); err != nil {
			wrong = append(wrong, fmt.Errorf("%s: %w", app, advise(app, err)))
			continue
		}
		if app == model.OfficialAccount {
			if _, err := c.CallbackIPs(ctx); err != nil {
				wrong = append(wrong, fmt.Errorf("%s: %w", app, advise(app, err)))
			}
		}
	}
	return errors.Join(wrong...)
}

// whitelisted finds the address in "invalid ip 1.2.3.4 ipv6 …, not in whitelist".
var whitelisted = regexp.MustCompile(`\b\d{1,3}(?:\.\d{1,3}){3}\b`)

// advise says what to do about a credential that does not work.
func advise(app model.App, err error) error {
	name := map[model.App]string{model.OfficialAccount: "公众号", model.MiniProgram: "小程序"}[app]
	text := fault.Of(err).Text
	secret := map[model.App]string{model.OfficialAccount: "KMH_WECHAT_APP_SECRET", model.MiniProgram: "KMH_WECHAT_MINI_APP_SECRET"}[app]
	refused := &errcode{}
	errors.As(err, &refused)
	switch refused.code {
	case 40013, 41002:
		text = "AppID 不正确，请核对 " + strings.Replace(secret, "SECRET", "ID", 1)
	case 40001, 40125, 41004:
		text = "AppSecret 不正确或已重置，请核对 " + secret
	case 40243:
		text = "AppSecret 已被冻结，请在公众平台解冻"
	case 40164, 61004:
		text = "本机出口 IP 不在白名单，请在公众平台「设置与开发 → 基本配置 → IP白名单」中加入"
		if ip := whitelisted.FindString(refused.text); ip != "" {
			text += " " + ip
		}
	}
	return fault.Of(err).Saying("%s：%s", name, text)
}
