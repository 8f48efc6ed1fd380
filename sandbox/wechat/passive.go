package wechat

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
)

// reply is every kind of passive answer, and the envelope around it.
type reply struct {
	XMLName      xml.Name `xml:"xml"`
	Encrypt      string   `xml:"Encrypt"`
	MsgSignature string   `xml:"MsgSignature"`
	TimeStamp    string   `xml:"TimeStamp"`
	Nonce        string   `xml:"Nonce"`

	ToUserName   string `xml:"ToUserName"`
	FromUserName string `xml:"FromUserName"`
	CreateTime   string `xml:"CreateTime"`
	MsgType      string `xml:"MsgType"`
	Content      string `xml:"Content"`
	Image        struct {
		MediaID string `xml:"MediaId"`
	} `xml:"Image"`
	Voice struct {
		MediaID string `xml:"MediaId"`
	} `xml:"Voice"`
	Video struct {
		MediaID     string `xml:"MediaId"`
		Title       string `xml:"Title"`
		Description string `xml:"Description"`
	} `xml:"Video"`
	Music struct {
		Title       string `xml:"Title"`
		Description string `xml:"Description"`
		URL         string `xml:"MusicUrl"`
		HQURL       string `xml:"HQMusicUrl"`
		ThumbID     string `xml:"ThumbMediaId"`
	} `xml:"Music"`
	ArticleCount int `xml:"ArticleCount"`
	Articles     []struct {
		Title       string `xml:"Title"`
		Description string `xml:"Description"`
		PicURL      string `xml:"PicUrl"`
		URL         string `xml:"Url"`
	} `xml:"Articles>item"`
	TransInfo struct {
		Account string `xml:"KfAccount"`
	} `xml:"TransInfo"`
}

const maxReplyText = 2048

// understand reads an answer as WeChat does: the bubbles of it, or why it is
// none. The second value is the answer without its encryption.
func (p *Platform) understand(m *push, answer []byte) (result, string) {
	trimmed := strings.TrimSpace(string(answer))
	if trimmed == "" || trimmed == "success" {
		return result{outcome: "nothing said"}, trimmed
	}
	if !m.shows {
		return result{outcome: "answer ignored"}, trimmed
	}
	plain, err := p.open(m, answer)
	if err != nil {
		return result{failed: true, outcome: "answer refused: " + err.Error()}, ""
	}
	bubbles, note, err := p.interpret(m, plain)
	if err != nil {
		return result{failed: true, outcome: "answer refused: " + err.Error()}, string(plain)
	}
	return result{bubbles: bubbles, outcome: note}, string(plain)
}

// open verifies and decrypts; in compatible mode either form is taken.
func (p *Platform) open(m *push, answer []byte) ([]byte, error) {
	if p.opts.Mode == Plain {
		return answer, nil
	}
	var r reply
	if err := decodeXML(answer, &r); err != nil {
		return nil, err
	}
	if r.Encrypt == "" {
		if p.opts.Mode == Compatible {
			return answer, nil
		}
		return nil, errors.New("plain text at a safe account")
	}
	if !sameSignature(r.MsgSignature, Signature(p.opts.Token, r.TimeStamp, r.Nonce, r.Encrypt)) {
		return nil, errors.New("MsgSignature is wrong")
	}
	c := p.cipher
	if m.mini {
		c = p.mini
	}
	return c.Decrypt(r.Encrypt)
}

// decodeXML reads one element and nothing after it.
func decodeXML(raw []byte, r *reply) error {
	d := xml.NewDecoder(bytes.NewReader(raw))
	if err := d.Decode(r); err != nil {
		return fmt.Errorf("not the XML of an answer: %w", err)
	}
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		space, ok := token.(xml.CharData)
		if err != nil || !ok || len(bytes.TrimSpace(space)) > 0 {
			return errors.New("something follows the XML")
		}
	}
}

// interpret returns the bubbles of a plain answer.
func (p *Platform) interpret(m *push, plain []byte) ([]Bubble, string, error) {
	var r reply
	if err := decodeXML(plain, &r); err != nil {
		return nil, "", err
	}
	if r.ToUserName != m.user.OpenID || r.FromUserName != p.opts.Account {
		return nil, "", errors.New("ToUserName and FromUserName are not those of the message, turned round")
	}
	if r.CreateTime == "" {
		return nil, "", errors.New("the reply has no CreateTime")
	}
	b := Bubble{From: "account", Channel: "passive", Kind: r.MsgType}
	switch r.MsgType {
	case "text":
		if strings.TrimSpace(r.Content) == "" {
			return nil, "", errors.New("the reply has an empty Content")
		}
		if len(r.Content) > maxReplyText {
			return nil, "", fmt.Errorf("the Content has %d bytes, at most %d", len(r.Content), maxReplyText)
		}
		b = textBubble("passive", r.Content)
	case "image":
		b.MediaID = r.Image.MediaID
	case "voice":
		b.MediaID = r.Voice.MediaID
	case "video":
		b.MediaID, b.Title, b.Description = r.Video.MediaID, r.Video.Title, r.Video.Description
	case "music":
		b.Title, b.Description, b.URL, b.ThumbID = r.Music.Title, r.Music.Description, r.Music.URL, r.Music.ThumbID
	case "news":
		return p.news(m, &r)
	case "transfer_customer_service":
		b.Kind, b.Text = "transfer", strings.TrimSpace("正在为你转接人工客服 "+r.TransInfo.Account)
		b.From = "system"
	default:
		return nil, "", fmt.Errorf("MsgType %q is no passive answer", r.MsgType)
	}
	if err := p.known(b); err != nil {
		return nil, "", err
	}
	return []Bubble{b}, r.MsgType + " shown", nil
}

// known tells that the media of a bubble exist.
func (p *Platform) known(b Bubble) error {
	if b.MediaID == "" && (b.Kind == "image" || b.Kind == "voice" || b.Kind == "video") {
		return errors.New("MediaId is missing")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, id := range []string{b.MediaID, b.ThumbID} {
		if id == "" {
			continue
		}
		if _, err := p.mediaOf(id); err != nil {
			return fmt.Errorf("MediaId %q is not known", id)
		}
	}
	return nil
}

func (p *Platform) news(m *push, r *reply) ([]Bubble, string, error) {
	if len(r.Articles) == 0 || r.ArticleCount != len(r.Articles) {
		return nil, "", fmt.Errorf("ArticleCount is %d and there are %d articles", r.ArticleCount, len(r.Articles))
	}
	note := "news shown"
	if len(r.Articles) > m.first {
		note = fmt.Sprintf("news shown, cut from %d articles to %d", len(r.Articles), m.first)
		r.Articles = r.Articles[:m.first]
	}
	b := Bubble{From: "account", Channel: "passive", Kind: "news"}
	for _, a := range r.Articles {
		if a.Title == "" {
			return nil, "", errors.New("an article has no Title")
		}
		b.Articles = append(b.Articles, BubbleLink{a.Title, a.Description, a.PicURL, a.URL})
	}
	return []Bubble{b}, note, nil
}
