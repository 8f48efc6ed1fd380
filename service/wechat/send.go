package wechat

import (
	"context"
	"errors"
	"fmt"

	"github.com/silenceper/wechat/v2/officialaccount/message"

	"kaimenhong/model"
)

var errContent = errors.New("content cannot be sent in this way")

// SendCustom sends a customer-service message: free content to somebody who did
// something within the last 48 hours. It is not idempotent: after ErrUnknown it
// must not be repeated blindly.
//
// developers.weixin.qq.com/doc/offiaccount/Message_Management/Service_Center_messages.html
func (c *Client) SendCustom(ctx context.Context, to model.OpenID, content model.Content) error {
	m, err := custom(to, content)
	if err != nil {
		return err
	}
	return c.call(ctx, request{
		name: "custom_send", app: model.OfficialAccount, path: "/cgi-bin/message/custom/send", body: m, sends: true,
	}, nil)
}

// custom writes the content in WeChat's form.
func custom(to model.OpenID, content model.Content) (*message.CustomerMessage, error) {
	m := &message.CustomerMessage{ToUser: string(to), Msgtype: message.MsgType(content.Kind)}
	media := message.MediaResource{MediaID: content.MediaID}
	complete := to != "" && len(to) <= model.MaxOpenID
	switch content.Kind {
	case model.TextContent:
		m.Text = &message.MediaText{Content: content.Text}
		complete = complete && content.Text != "" && len(content.Text) <= model.MaxText
	case model.ImageContent:
		m.Image, complete = &media, complete && content.MediaID != ""
	case model.VoiceContent:
		m.Voice, complete = &media, complete && content.MediaID != ""
	case model.VideoContent:
		m.Video = &message.MediaVideo{MediaID: content.MediaID, ThumbMediaID: content.ThumbID, Title: content.Title, Description: content.Description}
		complete = complete && content.MediaID != ""
	case model.MusicContent:
		m.Music = &message.MediaMusic{Title: content.Title, Description: content.Description, Musicurl: content.URL, Hqmusicurl: content.HQURL, ThumbMediaID: content.ThumbID}
		complete = complete && content.URL != "" && content.ThumbID != ""
	case model.NewsContent:
		if content.MediaID != "" { // an article of the material library
			m.Msgtype, m.Mpnews = "mpnews", &media
			break
		}
		if len(content.Articles) != 1 { // WeChat takes one since 2018-10
			complete = false
			break
		}
		a := content.Articles[0]
		m.News = &message.MediaNews{Articles: []message.MediaArticles{{Title: a.Title, Description: a.Description, URL: a.URL, Picurl: a.PictureURL}}}
	case model.CardContent:
		m.Miniprogrampage = &message.MediaMiniprogrampage{Title: content.Title, AppID: content.AppID, Pagepath: content.Page, ThumbMediaID: content.ThumbID}
		complete = complete && content.AppID != "" && content.Page != "" && content.ThumbID != ""
	default:
		complete = false
	}
	if !complete {
		return nil, ErrBadData.With(fmt.Errorf("%w: kind %q", errContent, content.Kind))
	}
	return m, nil
}
