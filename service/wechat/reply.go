package wechat

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"kaimenhong/model"
	"kaimenhong/model/fault"
)

// ErrNoPassiveForm says that WeChat does not take this content as the answer to a
// callback: see model.Content.Passive. It goes by customer-service message.
var ErrNoPassiveForm = fault.New(fault.Invalid, "reply.no_passive_form", "该内容不能作为被动回复")

// ErrIncomplete says that the content lacks what WeChat demands of its kind.
var ErrIncomplete = fault.New(fault.Invalid, "reply.incomplete", "回复内容不完整")

// Articles in a news reply: one where the user sent a message, eight after an event.
const (
	maxArticles        = 8
	maxArticlesToASend = 1
)

// success answers a call to which there is nothing to say.
const success = "success"

// Reply appends to dst what is answered to the call, encrypted with the key that
// opened it, and returns it with its media type. Nothing to say is "success".
//
// The same call and content give the same message, to the byte, within whatever
// encryption: its CreateTime is the call's. A text that is too long is cut.
func (c *Codec) Reply(dst []byte, call *Call, content model.Content) (body []byte, mediaType string, err error) {
	if content.Kind == model.NoContent || content.Kind == model.TextContent && blank(content.Text) {
		return append(dst, success...), textType, nil
	}
	if !content.Passive(call.Inbound.App) {
		return dst, "", ErrNoPassiveForm
	}
	s := scratches.Get().(*scratch)
	defer scratches.Put(s)
	mediaType = xmlType
	if call.json && call.Inbound.App == model.MiniProgram {
		mediaType = jsonType
		s.plain, err = appendJSON(s.plain[:0], &call.Inbound, &content)
	} else {
		s.plain, err = appendXML(s.plain[:0], &call.Inbound, &content)
	}
	if err != nil {
		return dst, "", err
	}
	if call.key == nil {
		return append(dst, s.plain...), mediaType, nil
	}
	return c.seal(dst, s, call.key, mediaType == jsonType), mediaType, nil
}

// The media types of answers.
const (
	textType = "text/plain; charset=utf-8"
	xmlType  = "application/xml; charset=utf-8"
	jsonType = "application/json; charset=utf-8"
)

// seal encrypts s.plain and wraps it.
func (c *Codec) seal(dst []byte, s *scratch, key *messageKey, asJSON bool) []byte {
	var random [randomSize + 8]byte
	rand.Read(random[:]) // never fails
	s.cipher = key.seal(s.cipher[:0], random[:randomSize], s.plain, c.appID)
	s.plain = base64.StdEncoding.AppendEncode(s.plain[:0], s.cipher)
	s.query = strconv.AppendInt(s.query[:0], c.now().Unix(), 10)
	split := len(s.query)
	for _, b := range random[randomSize:] {
		s.query = append(s.query, '0'+b%10)
	}
	timestamp, nonce := s.query[:split], s.query[split:]
	signature := s.sign(c.token, timestamp, nonce, s.plain)
	dst = slices.Grow(dst, len(s.plain)+256)
	parts := [...]string{
		"<xml><Encrypt><![CDATA[", "]]></Encrypt><MsgSignature><![CDATA[", "]]></MsgSignature><TimeStamp>",
		"</TimeStamp><Nonce><![CDATA[", "]]></Nonce></xml>",
	}
	if asJSON {
		parts = [...]string{`{"Encrypt":"`, `","MsgSignature":"`, `","TimeStamp":`, `,"Nonce":"`, `"}`}
	}
	dst = append(append(dst, parts[0]...), s.plain...)
	dst = append(append(dst, parts[1]...), signature...)
	dst = append(append(dst, parts[2]...), timestamp...)
	dst = append(append(dst, parts[3]...), nonce...)
	return append(dst, parts[4]...)
}

// appendJSON writes the one passive reply that a mini-program takes.
func appendJSON(dst []byte, in *model.Inbound, content *model.Content) ([]byte, error) {
	out, err := json.Marshal(struct {
		ToUserName   model.OpenID
		FromUserName string
		CreateTime   int64
		MsgType      model.ContentKind
	}{in.OpenID, in.Account, int64(in.CreatedAt) / 1000, content.Kind})
	if err != nil {
		return nil, err
	}
	return append(dst, out...), nil
}

// appendXML writes a passive reply.
func appendXML(dst []byte, in *model.Inbound, content *model.Content) ([]byte, error) {
	dst = append(dst, "<xml>"...)
	dst = element(dst, "ToUserName", string(in.OpenID))
	dst = element(dst, "FromUserName", in.Account)
	dst = append(dst, "<CreateTime>"...)
	dst = strconv.AppendInt(dst, int64(in.CreatedAt)/1000, 10)
	dst = append(dst, "</CreateTime>"...)
	dst = element(dst, "MsgType", string(content.Kind))
	needMedia := false
	switch content.Kind {
	case model.TextContent:
		dst = element(dst, "Content", model.CutText(content.Text))
	case model.ImageContent:
		dst, needMedia = media(dst, "Image", content), true
	case model.VoiceContent:
		dst, needMedia = media(dst, "Voice", content), true
	case model.VideoContent:
		dst, needMedia = media(dst, "Video", content, "Title", content.Title, "Description", content.Description), true
	case model.MusicContent:
		if content.ThumbID == "" {
			return nil, ErrIncomplete
		}
		dst = group(dst, "Music", "Title", content.Title, "Description", content.Description,
			"MusicUrl", content.URL, "HQMusicUrl", content.HQURL, "ThumbMediaId", content.ThumbID)
	case model.NewsContent:
		if len(content.Articles) == 0 {
			return nil, ErrIncomplete
		}
		dst = news(dst, in.Kind, content.Articles)
	case model.TransferContent:
		if content.Agent != "" {
			dst = group(dst, "TransInfo", "KfAccount", content.Agent)
		}
	}
	if needMedia && content.MediaID == "" {
		return nil, ErrIncomplete
	}
	return append(dst, "</xml>"...), nil
}

func news(dst []byte, to model.InboundKind, articles []model.Article) []byte {
	most := maxArticlesToASend
	if strings.HasPrefix(string(to), eventPrefix) {
		most = maxArticles
	}
	articles = articles[:min(len(articles), most)]
	dst = append(dst, "<ArticleCount>"...)
	dst = strconv.AppendInt(dst, int64(len(articles)), 10)
	dst = append(dst, "</ArticleCount><Articles>"...)
	for _, a := range articles {
		dst = group(dst, "item", "Title", a.Title, "Description", a.Description, "PicUrl", a.PictureURL, "Url", a.URL)
	}
	return append(dst, "</Articles>"...)
}

// media writes <name><MediaId>…</MediaId>further elements</name>.
func media(dst []byte, name string, content *model.Content, further ...string) []byte {
	return group(dst, name, append([]string{"MediaId", content.MediaID}, further...)...)
}

// group writes an element with elements in it, given as name and value by turns.
// Empty ones are left out.
func group(dst []byte, name string, pairs ...string) []byte {
	dst = append(append(append(dst, '<'), name...), '>')
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			dst = element(dst, pairs[i], pairs[i+1])
		}
	}
	return append(append(append(dst, "</"...), name...), '>')
}

// element writes <name><![CDATA[value]]></name>.
func element(dst []byte, name, value string) []byte {
	dst = append(append(append(dst, '<'), name...), "><![CDATA["...)
	dst = appendCDATA(dst, value)
	return append(append(append(dst, "]]></"...), name...), '>')
}

// appendCDATA writes what a CDATA section may hold: its end mark is split over two
// sections, characters that XML cannot hold are left out.
func appendCDATA(dst []byte, value string) []byte {
	for i := 0; i < len(value); {
		if c := value[i]; c >= ' ' && c < utf8.RuneSelf {
			// What was written counts, for a character left out may have stood between.
			if c == '>' && bytes.HasSuffix(dst, []byte("]]")) {
				dst = append(dst, "]]><![CDATA["...)
			}
			dst = append(dst, c)
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(value[i:])
		if validXML(r) && (r != utf8.RuneError || size > 1) {
			dst = append(dst, value[i:i+size]...)
		}
		i += size
	}
	return dst
}
