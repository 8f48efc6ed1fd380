package wechat

import (
	"fmt"
	"strings"

	"kaimenhong/model"
)

// outgoing is the body of a customer-service, preview or mass message.
type outgoing struct {
	ToUser  string `json:"touser"`
	MsgType string `json:"msgtype"`
	Text    struct {
		Content string `json:"content"`
	} `json:"text"`
	Image struct {
		MediaID string `json:"media_id"`
	} `json:"image"`
	Voice struct {
		MediaID string `json:"media_id"`
	} `json:"voice"`
	Video struct {
		MediaID     string `json:"media_id"`
		ThumbID     string `json:"thumb_media_id"`
		Title       string `json:"title"`
		Description string `json:"description"`
	} `json:"video"`
	Music struct {
		Title       string `json:"title"`
		Description string `json:"description"`
		URL         string `json:"musicurl"`
		HQURL       string `json:"hqmusicurl"`
		ThumbID     string `json:"thumb_media_id"`
	} `json:"music"`
	News struct {
		Articles []struct {
			Title       string `json:"title"`
			Description string `json:"description"`
			URL         string `json:"url"`
			PicURL      string `json:"picurl"`
		} `json:"articles"`
	} `json:"news"`
	MPNews struct {
		MediaID string `json:"media_id"`
	} `json:"mpnews"`
	MPNewsArticle struct {
		ArticleID string `json:"article_id"`
	} `json:"mpnewsarticle"`
	Menu struct {
		Head string `json:"head_content"`
		List []struct {
			ID      any    `json:"id"`
			Content string `json:"content"`
		} `json:"list"`
		Tail string `json:"tail_content"`
	} `json:"msgmenu"`
	Card struct {
		CardID string `json:"card_id"`
	} `json:"wxcard"`
	MiniPage struct {
		Title   string `json:"title"`
		AppID   string `json:"appid"`
		Page    string `json:"pagepath"`
		ThumbID string `json:"thumb_media_id"`
	} `json:"miniprogrampage"`
}

// customSend shows a message inside an open window.
func (p *Platform) customSend(c *call) (any, error) {
	var in outgoing
	if err := c.read(&in); err != nil {
		return nil, err
	}
	u := p.byOpenID[in.ToUser]
	if u == nil {
		return nil, errOpenID
	}
	if !u.Follows {
		return nil, errWindow
	}
	b, err := p.bubble(&in, "custom")
	if err != nil {
		return nil, err
	}
	if err := u.take(model.At(c.now)); err != nil {
		return nil, err
	}
	p.say(u, b)
	p.record(Send{Channel: "custom", Persona: u.ID, OpenID: in.ToUser, Page: b.Page, Text: b.Text})
	return nil, nil
}

// customTyping shows 对方正在输入; it needs a window and uses none of it.
func (p *Platform) customTyping(c *call) (any, error) {
	var in struct {
		ToUser  string `json:"touser"`
		Command string `json:"command"`
	}
	if err := c.read(&in); err != nil {
		return nil, err
	}
	u := p.byOpenID[in.ToUser]
	switch {
	case u == nil:
		return nil, errOpenID
	case in.Command != "Typing" && in.Command != "CancelTyping":
		return nil, errcode(45072, "command is invalid")
	}
	for _, w := range u.Windows {
		if model.At(c.now) < w.Until {
			p.tell(Event{"typing", u.ID, in.Command == "Typing"})
			return nil, nil
		}
	}
	return nil, errcode(45080, "the user is in no session")
}

// bubble reads an outgoing message; the lock is held.
func (p *Platform) bubble(in *outgoing, channel string) (Bubble, error) {
	b := Bubble{From: "account", Channel: channel, Kind: in.MsgType}
	switch in.MsgType {
	case "text":
		if strings.TrimSpace(in.Text.Content) == "" {
			return b, errEmpty
		}
		if len(in.Text.Content) > maxReplyText {
			return b, errSize
		}
		return textBubble(channel, in.Text.Content), nil
	case "image":
		b.MediaID = in.Image.MediaID
	case "voice":
		b.MediaID = in.Voice.MediaID
	case "video", "mpvideo":
		b.Kind, b.MediaID, b.ThumbID = "video", in.Video.MediaID, in.Video.ThumbID
		b.Title, b.Description = in.Video.Title, in.Video.Description
	case "music":
		b.Title, b.Description, b.URL, b.ThumbID = in.Music.Title, in.Music.Description, in.Music.URL, in.Music.ThumbID
	case "news":
		if len(in.News.Articles) != 1 { // one article since 2018-10
			return b, errcode(45008, "article size out of limit")
		}
		for _, a := range in.News.Articles {
			b.Articles = append(b.Articles, BubbleLink{a.Title, a.Description, a.PicURL, a.URL})
		}
		return b, nil
	case "mpnews", "mpnewsarticle":
		return p.articles(in.MPNews.MediaID+in.MPNewsArticle.ArticleID, b)
	case "msgmenu":
		return menuBubble(in, b)
	case "wxcard":
		b.Kind, b.Title = "card", "卡券 "+in.Card.CardID
		return b, nil
	case "miniprogrampage":
		b.Kind, b.Title, b.AppID, b.Page, b.ThumbID = "card", in.MiniPage.Title, in.MiniPage.AppID, in.MiniPage.Page, in.MiniPage.ThumbID
		if b.AppID != p.opts.MiniAppID {
			return b, errcode(40165, "invalid weapp appid, it is not bound to the account")
		}
		if b.Page == "" || b.ThumbID == "" {
			return b, errArgument
		}
	default:
		return b, errMsgType
	}
	return b, p.checkMedia(b)
}

func (p *Platform) checkMedia(b Bubble) error {
	if b.MediaID == "" && (b.Kind == "image" || b.Kind == "voice" || b.Kind == "video") {
		return errMedia
	}
	for _, id := range []string{b.MediaID, b.ThumbID} {
		if id == "" {
			continue
		}
		if _, err := p.mediaOf(id); err != nil {
			return err
		}
	}
	return nil
}

func menuBubble(in *outgoing, b Bubble) (Bubble, error) {
	if len(in.Menu.List) == 0 || len(in.Menu.List) > 10 {
		return b, errArgument
	}
	b.Kind, b.Text, b.Description = "menu", in.Menu.Head, in.Menu.Tail
	for _, l := range in.Menu.List {
		b.Choices = append(b.Choices, Choice{ID: fmt.Sprint(l.ID), Content: l.Content})
	}
	return b, nil
}
