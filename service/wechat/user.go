package wechat

import (
	"context"
	"fmt"
	"net/http"
	"net/url"

	"github.com/silenceper/wechat/v2/officialaccount/message"

	"kaimenhong/model"
)

// User is what WeChat tells of a follower; names and pictures it has not told
// since 2021-12.
type User struct {
	OpenID     model.OpenID
	UnionID    model.UnionID // with an Open Platform account only
	Follows    bool          // the rest is zero when he does not
	FollowedAt model.Millis
	Source     string // ADD_SCENE_QR_CODE, ADD_SCENE_SEARCH …
	Scene      string // of the QR code that he scanned
	Tags       []int64
}

type userBody struct {
	Subscribe  int           `json:"subscribe"`
	OpenID     model.OpenID  `json:"openid"`
	UnionID    model.UnionID `json:"unionid"`
	FollowedAt int64         `json:"subscribe_time"` // seconds
	Source     string        `json:"subscribe_scene"`
	Scene      string        `json:"qr_scene_str"`
	Tags       []int64       `json:"tagid_list"`
}

func (b userBody) user() User {
	return User{
		OpenID: b.OpenID, UnionID: b.UnionID, Follows: b.Subscribe == 1, FollowedAt: model.Millis(b.FollowedAt * 1000),
		Source: b.Source, Scene: b.Scene, Tags: b.Tags,
	}
}

// UserInfo looks one follower up.
//
// developers.weixin.qq.com/doc/offiaccount/User_Management/Get_users_basic_information_UnionID.html
func (c *Client) UserInfo(ctx context.Context, openID model.OpenID) (User, error) {
	if openID == "" || len(openID) > model.MaxOpenID {
		return User{}, ErrOpenID
	}
	var out userBody
	err := c.call(ctx, request{
		name: "user_info", app: model.OfficialAccount, method: http.MethodGet, path: "/cgi-bin/user/info",
		query: url.Values{"openid": {string(openID)}, "lang": {"zh_CN"}},
	}, &out)
	return out.user(), err
}

// MaxUsers is how many followers UserInfos looks up at once.
const MaxUsers = 100

// UserInfos looks up to MaxUsers followers up, in any order.
func (c *Client) UserInfos(ctx context.Context, openIDs []model.OpenID) ([]User, error) {
	if len(openIDs) == 0 || len(openIDs) > MaxUsers {
		return nil, ErrBadData.With(fmt.Errorf("%d users, 1 to %d are allowed", len(openIDs), MaxUsers))
	}
	type entry struct {
		OpenID model.OpenID `json:"openid"`
		Lang   string       `json:"lang"`
	}
	list := make([]entry, 0, len(openIDs))
	for _, openID := range openIDs {
		list = append(list, entry{openID, "zh_CN"})
	}
	var out struct {
		Users []userBody `json:"user_info_list"`
	}
	err := c.call(ctx, request{
		name: "user_info_batch", app: model.OfficialAccount, path: "/cgi-bin/user/info/batchget", body: map[string]any{"user_list": list},
	}, &out)
	users := make([]User, 0, len(out.Users))
	for _, u := range out.Users {
		users = append(users, u.user())
	}
	return users, err
}

// MaxFollowers is how many openids Followers names at once.
const MaxFollowers = 10_000

// Followers lists up to MaxFollowers followers after the one given, "" for the first
// ones; fewer are the last ones. WeChat answers it 500 times a day.
//
// developers.weixin.qq.com/doc/offiaccount/User_Management/Getting_a_User_List.html
func (c *Client) Followers(ctx context.Context, after model.OpenID) ([]model.OpenID, error) {
	if len(after) > model.MaxOpenID {
		return nil, ErrOpenID
	}
	var out struct {
		Data struct {
			OpenIDs []model.OpenID `json:"openid"`
		} `json:"data"`
	}
	r := request{name: "user_list", app: model.OfficialAccount, method: http.MethodGet, path: "/cgi-bin/user/get"}
	if after != "" {
		r.query = url.Values{"next_openid": {string(after)}}
	}
	err := c.call(ctx, r, &out)
	return out.Data.OpenIDs, err
}

// Template is a template message that the account may send.
type Template = message.TemplateItem

// Templates lists them, 25 at most.
func (c *Client) Templates(ctx context.Context) ([]Template, error) {
	var out struct {
		Templates []Template `json:"template_list"`
	}
	err := c.call(ctx, request{
		name: "template_list", app: model.OfficialAccount, method: http.MethodGet, path: "/cgi-bin/template/get_all_private_template",
	}, &out)
	return out.Templates, err
}
