package wechat

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/silenceper/wechat/v2/miniprogram/qrcode"
	"github.com/silenceper/wechat/v2/officialaccount/basic"

	"kaimenhong/model"
)

// What WeChat takes of a QR code and of a mini-program code.
const (
	MaxScene     = 64                  // bytes, of a QR code
	MaxQRLife    = 30 * 24 * time.Hour // of a temporary one
	MaxMiniScene = 32                  // characters, of a mini-program code
)

// QR is a QR code of the official account. URL is what the picture says: any QR
// library can draw it; Picture is where WeChat shows it drawn.
type QR struct {
	Ticket    string
	URL       string
	Picture   string
	ExpiresAt model.Millis // 0 for a permanent one
}

// CreateQR makes a QR code that leads to the account and brings the scene along,
// for life, or for good when life is 0. An account has 100,000 permanent ones.
//
// developers.weixin.qq.com/doc/offiaccount/Account_Management/Generating_a_Parametric_QR_Code.html
func (c *Client) CreateQR(ctx context.Context, scene string, life time.Duration) (QR, error) {
	if scene == "" || len(scene) > MaxScene || life < 0 || life > MaxQRLife || life > 0 && life < time.Minute {
		return QR{}, ErrBadData.With(fmt.Errorf("QR code: scene of %d bytes for %s", len(scene), life))
	}
	body := basic.NewLimitQrRequest(scene)
	if life > 0 {
		body = basic.NewTmpQrRequest(life, scene)
	}
	asked := c.now()
	var out struct {
		Ticket string `json:"ticket"`
		URL    string `json:"url"`
		Life   int64  `json:"expire_seconds"`
	}
	err := c.call(ctx, request{name: "qrcode_create", app: model.OfficialAccount, path: "/cgi-bin/qrcode/create", body: body}, &out)
	if err != nil {
		return QR{}, err
	}
	qr := QR{Ticket: out.Ticket, URL: out.URL, Picture: "https://mp.weixin.qq.com/cgi-bin/showqrcode?ticket=" + url.QueryEscape(out.Ticket)}
	if life > 0 {
		qr.ExpiresAt = model.At(asked).Add(time.Duration(min(out.Life, int64(MaxQRLife/time.Second))) * time.Second)
	}
	return qr, nil
}

// miniSceneSigns are the signs that a scene may hold beside letters and digits.
const miniSceneSigns = "!#$&'()*+,/:;=?@-._~"

func validMiniScene(scene string) bool {
	for _, r := range scene {
		if (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && !strings.ContainsRune(miniSceneSigns, r) {
			return false
		}
	}
	return scene != "" && len(scene) <= MaxMiniScene
}

// MiniCode draws the round code that opens the page of the mini-program (without
// leading slash and query; "" is the first page) with the scene, as JPEG or PNG.
// width is 280 to 1280 pixels, 430 when 0.
//
// developers.weixin.qq.com/miniprogram/dev/OpenApiDoc/qrcode-link/qr-code/getUnlimitedQRCode.html
func (c *Client) MiniCode(ctx context.Context, page, scene string, width int) ([]byte, error) {
	if !validMiniScene(scene) || width != 0 && (width < 280 || width > 1280) {
		return nil, ErrBadData.With(fmt.Errorf("mini-program code: scene of %d bytes, width %d", len(scene), width))
	}
	var picture []byte
	err := c.call(ctx, request{
		name: "mini_code", app: model.MiniProgram, path: "/wxa/getwxacodeunlimit",
		body: qrcode.QRCoder{Page: page, Scene: scene, Width: width, EnvVersion: "release"},
	}, &picture)
	return picture, err
}
