package wechat

import (
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"strconv"
	"time"

	"github.com/skip2/go-qrcode"

	"kaimenhong/model"
)

// ticket is a QR code with a scene.
type ticket struct {
	Scene string       `json:"scene"`
	Made  model.Millis `json:"made"`
	Until model.Millis `json:"until"` // 0: for ever
}

// The limits of QR codes.
const (
	maxSceneBytes  = 64
	maxQRSeconds   = 2_592_000 // 30 days
	defaultQRLife  = time.Minute
	qrPixels       = 280
	wxaSceneLetter = 32
)

// qrCreate makes a code whose scan follows with, or tells, its scene.
func (p *Platform) qrCreate(c *call) (any, error) {
	var in struct {
		Seconds int64  `json:"expire_seconds"`
		Action  string `json:"action_name"`
		Info    struct {
			Scene struct {
				ID  json.Number `json:"scene_id"`
				Str string      `json:"scene_str"`
			} `json:"scene"`
		} `json:"action_info"`
	}
	if err := c.read(&in); err != nil {
		return nil, err
	}
	scene, err := qrScene(in.Action, in.Info.Scene.ID.String(), in.Info.Scene.Str)
	if err != nil {
		return nil, err
	}
	if len(p.s.Tickets) >= maxTickets {
		return nil, errDayQuota
	}
	now := model.At(c.now)
	t := ticket{Scene: scene, Made: now}
	id := "gQ" + secretText(69)
	answer := map[string]any{"ticket": id, "url": "http://weixin.qq.com/q/" + secretText(12)}
	if in.Action == "QR_SCENE" || in.Action == "QR_STR_SCENE" {
		if in.Seconds < 0 || in.Seconds > maxQRSeconds {
			return nil, errArgument
		}
		life := time.Duration(in.Seconds) * time.Second
		if life == 0 {
			life = defaultQRLife
		}
		t.Until = now.Add(life)
		answer["expire_seconds"] = int64(life / time.Second)
	}
	p.s.Tickets[id] = t
	p.changed(nil)
	return answer, nil
}

func qrScene(action, id, str string) (string, error) {
	switch action {
	case "QR_SCENE", "QR_LIMIT_SCENE":
		n, err := strconv.ParseUint(id, 10, 32)
		if err != nil || n == 0 || action == "QR_LIMIT_SCENE" && n > 100_000 {
			return "", errcode(40053, "invalid scene id")
		}
		return id, nil
	case "QR_STR_SCENE", "QR_LIMIT_STR_SCENE":
		if str == "" || len(str) > maxSceneBytes {
			return "", errcode(40053, "invalid scene id")
		}
		return str, nil
	}
	return "", errcode(40052, "invalid action name")
}

func (p *Platform) qrShow(c *call) (any, error) {
	id := c.query.Get("ticket")
	if _, ok := p.s.Tickets[id]; !ok {
		return nil, errcode(40052, "invalid ticket")
	}
	return qrPicture("http://mp.weixin.qq.com/cgi-bin/showqrcode?ticket=" + url.QueryEscape(id))
}

func qrPicture(text string) (any, error) {
	png, err := qrcode.Encode(text, qrcode.Medium, qrPixels)
	if err != nil {
		return nil, fmt.Errorf("draw a QR code: %w", err)
	}
	return picture{"image/png", png}, nil
}

var wxaScene = regexp.MustCompile(`^[0-9A-Za-z!#$&'()*+,/:;=?@\-._~]+$`)

// wxaCode draws a mini-program code; ours is a QR code that says page and scene.
func (p *Platform) wxaCode(c *call) (any, error) {
	var in struct {
		Scene string `json:"scene"`
		Page  string `json:"page"`
		Width int    `json:"width"`
	}
	if err := c.read(&in); err != nil {
		return nil, err
	}
	if len(in.Scene) > wxaSceneLetter || !wxaScene.MatchString(in.Scene) {
		return nil, errcode(40129, "invalid scene")
	}
	if len(in.Page) > 0 && in.Page[0] == '/' {
		return nil, errcode(41030, "invalid page")
	}
	if in.Width != 0 && (in.Width < 280 || in.Width > 1280) {
		return nil, errcode(40097, "invalid width")
	}
	return qrPicture("https://sandbox.invalid/wxa?page=" + url.QueryEscape(in.Page) + "&scene=" + url.QueryEscape(in.Scene))
}
