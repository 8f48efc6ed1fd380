package wechat

import (
	"slices"
	"strings"
)

// describe is user/info of one person: neither name nor picture, as since
// 2021-12; the unionid, for both apps belong to one Open Platform account.
func (p *Platform) describe(u *user, lang string) map[string]any {
	if !u.Follows {
		return map[string]any{"subscribe": 0, "openid": u.OpenID, "unionid": u.UnionID}
	}
	if lang == "" {
		lang = "zh_CN"
	}
	scene, qrID, qrText := "ADD_SCENE_SEARCH", 0, ""
	if u.ViaQR {
		scene, qrText = "ADD_SCENE_QR_CODE", u.Scene
	}
	return map[string]any{
		"subscribe": 1, "openid": u.OpenID, "unionid": u.UnionID, "nickname": "", "sex": 0, "language": lang,
		"city": "", "province": "", "country": "", "headimgurl": "", "remark": "", "groupid": 0, "tagid_list": []int{},
		"subscribe_time": int64(u.FollowedAt) / 1000, "subscribe_scene": scene, "qr_scene": qrID, "qr_scene_str": qrText,
	}
}

func (p *Platform) userInfo(c *call) (any, error) {
	u := p.byOpenID[c.query.Get("openid")]
	if u == nil {
		return nil, errOpenID
	}
	return p.describe(u, c.query.Get("lang")), nil
}

const maxBatch = 100

func (p *Platform) userBatch(c *call) (any, error) {
	var in struct {
		List []struct {
			OpenID string `json:"openid"`
			Lang   string `json:"lang"`
		} `json:"user_list"`
	}
	if err := c.read(&in); err != nil {
		return nil, err
	}
	if len(in.List) == 0 || len(in.List) > maxBatch {
		return nil, errcode(40032, "invalid openid list size")
	}
	found := []map[string]any{}
	for _, one := range in.List {
		u := p.byOpenID[one.OpenID]
		if u == nil {
			return nil, errOpenID
		}
		found = append(found, p.describe(u, one.Lang))
	}
	return map[string]any{"user_info_list": found}, nil
}

const followerPage = 10_000

// userList pages through the followers in the order of their openids.
func (p *Platform) userList(c *call) (any, error) {
	after := c.query.Get("next_openid")
	if after != "" && p.byOpenID[after] == nil {
		return nil, errOpenID
	}
	all := make([]string, 0, len(p.order))
	for _, u := range p.order {
		if u.Follows {
			all = append(all, u.OpenID)
		}
	}
	slices.Sort(all)
	from, exact := slices.BinarySearchFunc(all, after, strings.Compare)
	if exact {
		from++
	}
	page := all[from:min(len(all), from+followerPage)]
	answer := map[string]any{"total": len(all), "count": len(page), "next_openid": ""}
	if len(page) > 0 {
		answer["data"] = map[string]any{"openid": page}
		answer["next_openid"] = page[len(page)-1]
	}
	return answer, nil
}

// Reached counts the messages that reached people, by channel, and for each
// person when of is empty; a report is checked against it.
func (p *Platform) Reached(of string) (map[string]int, map[string]map[string]int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	total, each := map[string]int{}, map[string]map[string]int{}
	for _, u := range p.order {
		if len(u.Sent) == 0 || of != "" && of != u.ID {
			continue
		}
		mine := map[string]int{}
		for channel, n := range u.Sent {
			total[channel] += n
			mine[channel] = n
		}
		each[u.OpenID] = mine
	}
	return total, each
}
