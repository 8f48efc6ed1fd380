package wechat

import (
	"context"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/silenceper/wechat/v2/miniprogram/subscribe"

	"kaimenhong/model"
)

// notice is the body of template/send and subscribe/bizsend. The SDK's types
// always send an empty "miniprogram".
type notice struct {
	To       model.OpenID          `json:"touser"`
	Template string                `json:"template_id"`
	Data     map[string]fieldValue `json:"data"`
	URL      string                `json:"url,omitempty"`
	Page     string                `json:"page,omitempty"`
	Mini     *miniPage             `json:"miniprogram,omitempty"`
	ClientID model.RequestID       `json:"client_msg_id,omitempty"`
}

type fieldValue struct {
	Value string `json:"value"`
}

type miniPage struct {
	AppID string `json:"appid"`
	Page  string `json:"pagepath,omitempty"`
}

// SendTemplate sends a service notice and returns WeChat's id of it, which the
// later delivery report carries as its MsgID. The same request sent again within
// ten minutes reaches the user once (client_msg_id), so that after ErrUnknown it
// may be repeated within that time, and not after.
//
// developers.weixin.qq.com/doc/offiaccount/Message_Management/Template_Message_Interface.html
func (c *Client) SendTemplate(ctx context.Context, to model.OpenID, n model.Notice, request model.RequestID) (string, error) {
	body, err := newNotice(to, n)
	if err != nil {
		return "", err
	}
	if !request.Valid() {
		return "", ErrBadData.With(fmt.Errorf("request id of %d bytes", len(request)))
	}
	body.URL, body.ClientID = n.URL, request
	var out receipt
	err = c.call(ctx, template(body), &out)
	return string(out.ID), err
}

// receipt is the answer to a subscribe message: WeChat's id of it where it gives one.
type receipt struct {
	ID scalar `json:"msgid"`
}

func template(body *notice) request {
	return request{name: "template_send", app: model.OfficialAccount, path: "/cgi-bin/message/template/send", body: body, sends: true}
}

// SendNotice sends a subscribe notice of the official account, which uses up one
// consent, and returns WeChat's id of it, empty when it tells none. It is not
// idempotent.
//
// developers.weixin.qq.com/doc/offiaccount/Subscription_Messages/api.html#send发送订阅通知
func (c *Client) SendNotice(ctx context.Context, to model.OpenID, n model.Notice) (string, error) {
	body, err := newNotice(to, n)
	if err != nil {
		return "", err
	}
	if err := checkFields(n.Fields); err != nil {
		return "", err
	}
	body.Page = n.URL
	var out receipt
	err = c.call(ctx, request{
		name: "notice_send", app: model.OfficialAccount, path: "/cgi-bin/message/subscribe/bizsend", body: body, sends: true,
	}, &out)
	return string(out.ID), err
}

// SendSubscribe sends a subscribe message of the mini-program, which uses up one
// consent, and returns WeChat's id of it, empty when it tells none. It is not
// idempotent.
//
// developers.weixin.qq.com/miniprogram/dev/OpenApiDoc/mp-message-management/subscribe-message/sendMessage.html
func (c *Client) SendSubscribe(ctx context.Context, to model.OpenID, n model.Notice) (string, error) {
	if _, err := newNotice(to, n); err != nil {
		return "", err
	}
	if err := checkFields(n.Fields); err != nil {
		return "", err
	}
	data := make(map[string]*subscribe.DataItem, len(n.Fields))
	for name, value := range n.Fields {
		data[name] = &subscribe.DataItem{Value: value}
	}
	var out receipt
	err := c.call(ctx, request{
		name: "subscribe_send", app: model.MiniProgram, path: "/cgi-bin/message/subscribe/send", sends: true,
		body: subscribe.Message{
			ToUser: string(to), TemplateID: n.Template, Page: n.Page, Data: data, MiniprogramState: "formal", Lang: "zh_CN",
		},
	}, &out)
	return string(out.ID), err
}

// maxFields bounds a template; real ones have at most seven.
const maxFields = 20

func newNotice(to model.OpenID, n model.Notice) (*notice, error) {
	if to == "" || len(to) > model.MaxOpenID || n.Template == "" || len(n.Fields) == 0 || len(n.Fields) > maxFields {
		return nil, ErrBadData.With(fmt.Errorf("%w: notice", errContent))
	}
	body := &notice{To: to, Template: n.Template, Data: make(map[string]fieldValue, len(n.Fields))}
	for name, value := range n.Fields {
		body.Data[name] = fieldValue{value}
	}
	if n.AppID != "" {
		body.Mini = &miniPage{AppID: n.AppID, Page: n.Page}
	}
	return body, nil
}

// fieldLimits are the characters that a field of a subscribe template takes, by
// the letters of its name; WeChat refuses the whole message (47003) otherwise.
var fieldLimits = map[string]int{
	"thing": 20, "number": 32, "letter": 32, "symbol": 5, "character_string": 32, "phone_number": 17,
	"car_number": 8, "name": 20, "phrase": 5, "const": 20, "short_thing": 5,
}

// checkFields finds a value that WeChat would refuse, before a consent is spent
// on trying.
func checkFields(fields map[string]string) error {
	for name, value := range fields {
		limit, ok := fieldLimits[strings.TrimRight(name, "0123456789")]
		if n := utf8.RuneCountInString(value); n == 0 || ok && n > limit {
			return ErrBadData.With(fmt.Errorf("field %q has %d characters, 1 to %d are allowed", name, n, limit))
		}
	}
	return nil
}
