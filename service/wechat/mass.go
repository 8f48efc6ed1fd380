package wechat

import (
	"context"
	"errors"
	"fmt"

	"github.com/silenceper/wechat/v2/officialaccount/broadcast"

	"kaimenhong/model"
)

// MinMass and MaxMass are how many users one mass message may have.
const (
	MinMass = 2
	MaxMass = 10_000
)

// SendMass sends a text, picture, voice, video or library article (Kind news with
// a MediaID) to MinMass…MaxMass followers, and returns WeChat's id of it, which
// the later report carries as its MsgID. WeChat takes a request id once in 24
// hours (clientmsgid): sent again, also after ErrUnknown, it moves nothing and
// gives the first id.
//
// developers.weixin.qq.com/doc/offiaccount/Message_Management/Batch_Sends_and_Originality_Checks.html
func (c *Client) SendMass(ctx context.Context, to []model.OpenID, content model.Content, request model.RequestID) (string, error) {
	body, err := mass(content)
	if err != nil {
		return "", err
	}
	if len(to) < MinMass || len(to) > MaxMass || !request.Valid() {
		return "", ErrBadData.With(fmt.Errorf("mass message to %d users, request id of %d bytes", len(to), len(request)))
	}
	body["touser"], body["clientmsgid"] = to, request
	var out answer
	err = c.call(ctx, massSend(body), &out)
	var refused *errcode
	if errors.As(err, &refused) && refused.code == codeMassExists {
		return refused.massID, nil
	}
	return string(out.MassID), err
}

func massSend(body map[string]any) request {
	return request{name: "mass_send", app: model.OfficialAccount, path: "/cgi-bin/message/mass/send", body: body, sends: true}
}

// mass writes the content in WeChat's form for mass messages.
func mass(content model.Content) (map[string]any, error) {
	media := map[string]string{"media_id": content.MediaID}
	switch {
	case content.Kind == model.TextContent && content.Text != "" && len(content.Text) <= model.MaxText:
		return map[string]any{"msgtype": broadcast.MsgTypeText, "text": map[string]string{"content": content.Text}}, nil
	case content.MediaID == "":
	case content.Kind == model.ImageContent:
		return map[string]any{"msgtype": broadcast.MsgTypeImage, "images": broadcast.Image{MediaIDs: []string{content.MediaID}}}, nil
	case content.Kind == model.VoiceContent:
		return map[string]any{"msgtype": broadcast.MsgTypeVoice, "voice": media}, nil
	case content.Kind == model.VideoContent:
		media["title"], media["description"] = content.Title, content.Description
		return map[string]any{"msgtype": broadcast.MsgTypeVideo, "mpvideo": media}, nil
	case content.Kind == model.NewsContent:
		return map[string]any{"msgtype": broadcast.MsgTypeNews, "mpnews": media, "send_ignore_reprint": 0}, nil
	}
	return nil, ErrBadData.With(fmt.Errorf("%w: kind %q", errContent, content.Kind))
}
