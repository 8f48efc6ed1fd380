package wechat

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"time"

	"kaimenhong/model"
)

// code is a login code (wx.login) or phone code (getPhoneNumber): good for one
// use within five minutes.
type code struct {
	User  string       `json:"user"`
	Phone bool         `json:"phone,omitempty"`
	Until model.Millis `json:"until"`
	Used  bool         `json:"used,omitempty"`
}

const codeLife = 5 * time.Minute

// LoginCode is what wx.login gives the person's mini-program.
func (p *Platform) LoginCode(id string) (string, error) { return p.newCode(id, false) }

// PhoneCode is what a tap on 授权手机号 gives.
func (p *Platform) PhoneCode(id string) (string, error) { return p.newCode(id, true) }

func (p *Platform) newCode(id string, phone bool) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.byID[id] == nil {
		return "", fmt.Errorf("%w: %q", ErrNoUser, id)
	}
	if len(p.s.Codes) >= maxCodes {
		p.forget()
	}
	if len(p.s.Codes) >= maxCodes {
		return "", fmt.Errorf("more than %d codes are open", maxCodes)
	}
	text := "0" + secretText(23)
	p.s.Codes[text] = code{User: id, Phone: phone, Until: model.At(p.now()).Add(codeLife)}
	p.changed(nil)
	return text, nil
}

// redeem uses a code; a second use is told from one that never was.
func (p *Platform) redeem(text string, phone bool, now time.Time) (*user, error) {
	k, ok := p.s.Codes[text]
	switch {
	case !ok || k.Phone != phone:
		return nil, errCode
	case k.Used && phone:
		return nil, errCode
	case k.Used:
		return nil, errCodeUsed
	case model.At(now) >= k.Until:
		return nil, errCode
	}
	u := p.byID[k.User]
	if u == nil { // a kept code of somebody who is no longer in the world
		return nil, errCode
	}
	k.Used = true
	p.s.Codes[text] = k
	p.changed(nil)
	return u, nil
}

func (p *Platform) codeToSession(c *call) (any, error) {
	q := c.query
	switch {
	case q.Get("appid") != p.opts.MiniAppID:
		return nil, errAppID
	case !sameSignature(q.Get("secret"), p.opts.MiniAppSecret):
		return nil, errSecret
	case q.Get("grant_type") != "authorization_code":
		return nil, errGrantType
	case q.Get("js_code") == "":
		return nil, errcode(41008, "missing code")
	}
	c.appID = p.opts.MiniAppID
	u, err := p.redeem(q.Get("js_code"), false, c.now)
	if err != nil {
		return nil, err
	}
	return map[string]any{"openid": u.MiniOpenID, "unionid": u.UnionID, "session_key": sessionKey()}, nil
}

// sessionKey is 16 bytes in padded base64, as WeChat's.
func sessionKey() string {
	var raw [16]byte
	_, _ = rand.Read(raw[:]) // never fails, it ends the program instead
	return base64.StdEncoding.EncodeToString(raw[:])
}

func (p *Platform) phoneNumber(c *call) (any, error) {
	var in struct {
		Code   string `json:"code"`
		OpenID string `json:"openid"`
	}
	if err := c.read(&in); err != nil {
		return nil, err
	}
	u, err := p.redeem(in.Code, true, c.now)
	if err != nil {
		return nil, err
	}
	if in.OpenID != "" && in.OpenID != u.MiniOpenID {
		return nil, errCode
	}
	return map[string]any{"errcode": 0, "errmsg": "ok", "phone_info": map[string]any{
		"phoneNumber": u.Phone, "purePhoneNumber": u.Phone, "countryCode": "86",
		"watermark": map[string]any{"timestamp": c.now.Unix(), "appid": p.opts.MiniAppID},
	}}, nil
}
