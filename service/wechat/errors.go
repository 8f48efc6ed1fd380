package wechat

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/silenceper/wechat/v2/util"
	"github.com/sony/gobreaker/v2"

	"kaimenhong/model/fault"
)

// What can go wrong with a call. All but ErrUnknown are definite: WeChat did not
// do what was asked. The texts are read by operators, never by subscribers.
var (
	// ErrBusy: nothing was done and trying again later is right. errcode -1, no
	// connection, an open circuit breaker, a time-out of a call that only reads.
	ErrBusy = fault.New(fault.Unavailable, "wechat.busy", "微信接口繁忙或无法连接，请稍后再试")
	// ErrToken: the access_token was refused, also after it was renewed once.
	ErrToken = fault.New(fault.Unavailable, "wechat.token", "微信接口凭证失效，正在更新，请稍后再试")
	// ErrCredentials: AppID, AppSecret or the IP whitelist are wrong; a person must act.
	ErrCredentials = fault.New(fault.Internal, "wechat.credentials", "微信 AppID、AppSecret 或 IP 白名单设置有误，请到公众平台核对")
	// ErrOpenID: no such openid in this app. Drop it and mark it.
	ErrOpenID = fault.New(fault.NotFound, "wechat.openid", "该用户的 openid 无效")
	// ErrNotFollowing: the user does not follow the account, or blocks it.
	ErrNotFollowing = fault.New(fault.Conflict, "wechat.not_following", "用户未关注公众号或已拒收消息")
	// ErrNoConsent: the subscribe consent was refused or is used up.
	ErrNoConsent = fault.New(fault.Conflict, "wechat.no_consent", "用户未授权该订阅消息，或授权次数已用完")
	// ErrWindowShut: more than 48 hours since the user's last action.
	ErrWindowShut = fault.New(fault.Conflict, "wechat.window_shut", "用户超过 48 小时未互动，不能发送客服消息")
	// ErrWindowUsed: all messages that his last action allowed are sent.
	ErrWindowUsed = fault.New(fault.Conflict, "wechat.window_used", "本次互动可发送的客服消息已用完，请等待用户再次互动")
	// ErrBadData: content, template, media or parameter will never be taken.
	ErrBadData = fault.New(fault.Invalid, "wechat.bad_data", "消息内容、模板或参数不符合微信要求")
	// ErrDayQuota: stop until tomorrow.
	ErrDayQuota = fault.New(fault.Limited, "wechat.day_quota", "今日微信接口调用次数已用完")
	// ErrMinuteQuota: slow down.
	ErrMinuteQuota = fault.New(fault.Limited, "wechat.minute_quota", "微信接口调用过于频繁，请稍后再试")
	// ErrLoginCode: a login or phone code is bad, used or too old: ask for a new one.
	ErrLoginCode = fault.New(fault.Unauthenticated, "wechat.login_code", "登录凭证已失效，请重新进入小程序")
	// ErrPermission: the account has no right to this interface.
	ErrPermission = fault.New(fault.Forbidden, "wechat.permission", "该账号没有此微信接口的权限")
	// ErrNotFound: no menu is set, or no such thing.
	ErrNotFound = fault.New(fault.NotFound, "wechat.not_found", "微信侧没有找到对应的数据")
	// ErrUnknown: a send may or may not have reached the user. Never repeat it blindly.
	ErrUnknown = fault.New(fault.Internal, "wechat.unknown_outcome", "发送结果未知，请勿重复发送")
	// ErrAnswer: WeChat answered what cannot be understood, to a call that only reads.
	ErrAnswer = fault.New(fault.Unavailable, "wechat.bad_answer", "微信接口返回异常，请稍后再试")
	// ErrNotConfigured: the installation has no such app.
	ErrNotConfigured = fault.New(fault.Forbidden, "wechat.not_configured", "尚未配置对应的公众号或小程序")
)

// byErrcode is the table of WeChat's global return codes, as far as this client
// meets them: developers.weixin.qq.com/doc/offiaccount/Getting_Started/Global_Return_Code.html.
var byErrcode = map[int64]*fault.Error{
	-1:    ErrBusy,
	40001: ErrToken, 40014: ErrToken, 42001: ErrToken, // refused, illegal, expired
	41001: ErrToken,       // missing
	40013: ErrCredentials, // AppID
	40125: ErrCredentials, // AppSecret
	41002: ErrCredentials, 41004: ErrCredentials,
	40164: ErrCredentials, 61004: ErrCredentials, // address not in the whitelist
	40243: ErrCredentials, // AppSecret is frozen
	40003: ErrOpenID, 40031: ErrOpenID, 40032: ErrOpenID,
	43004: ErrNotFollowing, 48002: ErrNotFollowing, 50005: ErrNotFollowing,
	43101: ErrNoConsent,
	45015: ErrWindowShut,
	45047: ErrWindowUsed,
	47001: ErrBadData, 47003: ErrBadData, 40037: ErrBadData, // body, template's fields, template id
	40004: ErrBadData, 40005: ErrBadData, 40006: ErrBadData, 40007: ErrBadData, 40008: ErrBadData, 40009: ErrBadData, // media
	40016: ErrBadData, 40017: ErrBadData, 40018: ErrBadData, 40019: ErrBadData, 40020: ErrBadData, // menu
	40023: ErrBadData, 40024: ErrBadData, 40025: ErrBadData, 40026: ErrBadData, 40027: ErrBadData, // sub-menu
	40033: ErrBadData, 40035: ErrBadData, 40053: ErrBadData, 40054: ErrBadData, 40055: ErrBadData, 40097: ErrBadData,
	40130: ErrBadData, 40132: ErrBadData, 41028: ErrBadData, 41030: ErrBadData, 40169: ErrBadData,
	44002: ErrBadData, 44003: ErrBadData, 44004: ErrBadData,
	45001: ErrBadData, 45002: ErrBadData, 45003: ErrBadData, 45004: ErrBadData, 45005: ErrBadData, 45006: ErrBadData, 45008: ErrBadData,
	45010: ErrBadData, 45064: ErrBadData, 45067: ErrBadData, 45107: ErrBadData, 45157: ErrBadData, 65303: ErrBadData, 65304: ErrBadData, 65305: ErrBadData, 65316: ErrBadData, 76003: ErrBadData,
	45009: ErrDayQuota, 45028: ErrDayQuota, 45029: ErrDayQuota, 40257: ErrDayQuota,
	45011: ErrMinuteQuota, 45066: ErrMinuteQuota,
	40029: ErrLoginCode, 40163: ErrLoginCode, 41008: ErrLoginCode, 40226: ErrLoginCode,
	48001: ErrPermission, 48004: ErrPermission, 48005: ErrPermission, 48006: ErrPermission, 50001: ErrPermission, 50002: ErrPermission, 61007: ErrPermission,
	46001: ErrNotFound, 46003: ErrNotFound, 65301: ErrNotFound,
}

// The codes that need a treatment of their own.
const (
	codeBusy       = -1    // the one that is retried
	codeMassExists = 45065 // this clientmsgid was taken before
)

// errcode is WeChat's own refusal; its text is scrubbed when it is made.
type errcode struct {
	code   int64
	text   string
	massID string // beside codeMassExists
}

func (e *errcode) Error() string { return fmt.Sprintf("errcode %d: %s", e.code, e.text) }

// badStatus is an HTTP status other than 200.
type badStatus int

func (s badStatus) Error() string { return fmt.Sprintf("HTTP status %d", int(s)) }

// masked is an error of which only a harmless text is left, and the answers of
// errors.Is. It deliberately has no Unwrap: the cause may hold a URL with the
// AppSecret or a token in it.
type masked struct {
	text string
	is   func(target error) bool
}

func (m *masked) Error() string        { return m.text }
func (m *masked) Is(target error) bool { return m.is(target) }

var (
	// rids are WeChat's request ids, which its support asks for.
	rids = regexp.MustCompile(`rid: ?[0-9a-f]{8}-[0-9a-f]{8}-[0-9a-f]{8}`)
	// secretive matches what may be a secret: named parameters, addresses, and
	// any run long enough to be a token, a code or an openid.
	secretive = regexp.MustCompile(`(?i)\b(?:access_token|secret|appsecret|js_code|code|ticket|session_key)["']?[=:]["']?[^&\s"',]+|https?://\S+|[A-Za-z0-9_-]{20,}`)
)

// maxErrorText bounds what is kept of a text from outside.
const maxErrorText = 300

// scrub makes a text from outside fit for a log: known secrets and whatever looks
// like one are gone, a request id stays.
func (c *Client) scrub(text string, more ...string) string {
	for _, secret := range append(more, c.secrets...) {
		if secret != "" {
			text = strings.ReplaceAll(text, secret, "***")
			text = strings.ReplaceAll(text, url.QueryEscape(secret), "***")
		}
	}
	rid := rids.FindString(text)
	text = secretive.ReplaceAllString(text[:min(len(text), 4*maxErrorText)], "***")
	text = strings.ToValidUTF8(text[:min(len(text), maxErrorText)], "?")
	if rid != "" {
		text += " " + rid
	}
	return text
}

// mask keeps of an error a scrubbed text and its answers to errors.Is.
func (c *Client) mask(err error, token string) error {
	var refused *errcode
	if errors.As(err, &refused) {
		return &errcode{refused.code, c.scrub(refused.text, token), refused.massID}
	}
	var ofURL *url.Error
	for errors.As(err, &ofURL) {
		err = ofURL.Err // the outer text is the method and the URL
	}
	return &masked{c.scrub(err.Error(), token), func(target error) bool { return errors.Is(err, target) }}
}

// classify turns what a call returned into a fault without a secret. sent tells
// that the call sends something and that its request may have reached WeChat.
func (c *Client) classify(err error, sent bool, token string) error {
	if err == nil {
		return nil
	}
	var known *fault.Error
	if errors.As(err, &known) {
		return err
	}
	var ofSDK *util.CommonError
	if errors.As(err, &ofSDK) {
		err = &errcode{code: ofSDK.ErrCode, text: ofSDK.ErrMsg}
	}
	clean := c.mask(err, token)
	var refused *errcode
	var status badStatus
	switch {
	case errors.As(err, &refused):
		if f, ok := byErrcode[refused.code]; ok {
			return f.With(clean)
		}
		return errOther.With(clean)
	case errors.Is(err, gobreaker.ErrOpenState), errors.Is(err, gobreaker.ErrTooManyRequests):
		return ErrBusy.With(clean)
	case errors.As(err, &status) && status >= 400 && status < 500 && status != http.StatusRequestTimeout:
		if status == http.StatusTooManyRequests {
			return ErrMinuteQuota.With(clean)
		}
		return ErrAnswer.With(clean) // refused before WeChat looked at it
	case sent:
		return ErrUnknown.With(clean)
	case errors.As(err, &status), errors.Is(err, errTooLarge), errors.Is(err, errNotUnderstood):
		return ErrAnswer.With(clean)
	}
	return ErrBusy.With(clean)
}

// errOther is every errcode without a line in the table: definite, and ours to
// look at.
var errOther = fault.New(fault.Internal, "wechat.errcode", "微信接口返回了未知错误码，请联系技术人员")

// outcome is the metric's label: the fault's code without its domain.
func outcome(err error) string {
	if err == nil {
		return "ok"
	}
	if errors.Is(err, context.Canceled) {
		return "cancelled"
	}
	return strings.TrimPrefix(fault.Of(err).Code, "wechat.")
}
