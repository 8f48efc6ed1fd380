package wechat_test

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"kaimenhong/model"
	"kaimenhong/service/wechat"
)

// openReply verifies and decrypts a reply as WeChat does.
func openReply(t testing.TB, key string, body []byte) reply {
	t.Helper()
	var sealed sealedReply
	if err := xml.Unmarshal(body, &sealed); err != nil {
		t.Fatalf("%v\n%s", err, body)
	}
	if want := sha1Of(testToken, sealed.TimeStamp, sealed.Nonce, sealed.Encrypt); sealed.MsgSignature != want {
		t.Fatalf("MsgSignature = %s, want %s", sealed.MsgSignature, want)
	}
	message, appID := decrypt(t, key, sealed.Encrypt)
	if appID != testApp {
		t.Fatalf("the reply's appid = %s, want %s", appID, testApp)
	}
	return readReply(t, []byte(message))
}

func TestEveryPassiveReplyIsWritten(t *testing.T) {
	call := openedCall(t, wechat.Safe, hello)
	click := openedCall(t, wechat.Safe,
		`<xml><ToUserName>gh_1</ToUserName><FromUserName>oUser</FromUserName><CreateTime>1760000000</CreateTime><MsgType>event</MsgType><Event>CLICK</Event><EventKey>A</EventKey></xml>`)
	var nine []model.Article
	for i := range 9 {
		nine = append(nine, model.Article{Title: fmt.Sprint("t", i), Description: "d", PictureURL: "p", URL: "https://u/?a=1&b=2"})
	}
	for _, tt := range []struct {
		name    string
		call    wechat.Call
		content model.Content
		check   func(r reply) bool
	}{
		{"text", call, model.Text("a<b>&]]>查😀"), func(r reply) bool { return r.MsgType == "text" && r.Content == "a<b>&]]>查😀" }},
		{"text without what XML cannot hold", call, model.Text("a\x00]]\x01>b\xffc\uffff"), func(r reply) bool { return r.Content == "a]]>bc" }},
		{"image", call, model.Content{Kind: model.ImageContent, MediaID: "m"}, func(r reply) bool { return r.MsgType == "image" && r.ImageMedia == "m" }},
		{"voice", call, model.Content{Kind: model.VoiceContent, MediaID: "m"}, func(r reply) bool { return r.MsgType == "voice" && r.VoiceMedia == "m" }},
		{"video", call, model.Content{Kind: model.VideoContent, MediaID: "m", Title: "t", Description: "d"}, func(r reply) bool {
			return r.MsgType == "video" && r.Video.MediaId == "m" && r.Video.Title == "t" && r.Video.Description == "d"
		}},
		{"music", call, model.Content{Kind: model.MusicContent, Title: "t", URL: "u", HQURL: "h", ThumbID: "m"}, func(r reply) bool {
			return r.MsgType == "music" && r.Music.MusicUrl == "u" && r.Music.HQMusicUrl == "h" && r.Music.ThumbMediaId == "m"
		}},
		{"one article to a text", call, model.Content{Kind: model.NewsContent, Articles: nine}, func(r reply) bool {
			return r.MsgType == "news" && r.ArticleCount == 1 && len(r.Articles) == 1 && r.Articles[0].Url == "https://u/?a=1&b=2"
		}},
		{"eight articles to a click", click, model.Content{Kind: model.NewsContent, Articles: nine}, func(r reply) bool {
			return r.ArticleCount == 8 && len(r.Articles) == 8 && r.Articles[7].Title == "t7"
		}},
		{"the hand-over to anybody", call, model.Content{Kind: model.TransferContent}, func(r reply) bool {
			return r.MsgType == "transfer_customer_service" && r.Agent == ""
		}},
		{"the hand-over to one", call, model.Content{Kind: model.TransferContent, Agent: "a@b"}, func(r reply) bool { return r.Agent == "a@b" }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			body, _, err := replyTo(t, tt.call, tt.content)
			if err != nil {
				t.Fatal(err)
			}
			r := openReply(t, testKey, []byte(body))
			if !tt.check(r) || r.ToUserName != "oUser" || r.FromUserName != "gh_1" || r.CreateTime != testNow {
				t.Errorf("the reply is %+v", r)
			}
		})
	}
}

func TestWhatWeChatWouldRefuseIsNotWritten(t *testing.T) {
	call := openedCall(t, wechat.Plain, hello)
	mini := call
	mini.Inbound.App = model.MiniProgram
	for _, tt := range []struct {
		name    string
		call    wechat.Call
		content model.Content
		body    string
		want    error
	}{
		{"nothing to say", call, model.Content{}, "success", nil},
		{"an empty text", call, model.Text(""), "success", nil},
		{"a blank text", call, model.Text(" \n"), "success", nil},
		{"a card", call, model.Content{Kind: model.CardContent, Title: "t"}, "", wechat.ErrNoPassiveForm},
		{"a text to a mini-program", mini, model.Text("x"), "", wechat.ErrNoPassiveForm},
		{"a kind that is none", call, model.Content{Kind: "poem"}, "", wechat.ErrNoPassiveForm},
		{"an image without a file", call, model.Content{Kind: model.ImageContent}, "", wechat.ErrIncomplete},
		{"music without a picture", call, model.Content{Kind: model.MusicContent, URL: "u"}, "", wechat.ErrIncomplete},
		{"news without an article", call, model.Content{Kind: model.NewsContent}, "", wechat.ErrIncomplete},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if body, _, err := replyTo(t, tt.call, tt.content); body != tt.body || !errors.Is(err, tt.want) {
				t.Fatalf("Reply = %q, %v, want %q, %v", body, err, tt.body, tt.want)
			}
		})
	}
}

func TestALongTextIsCutAtACharacter(t *testing.T) {
	call := openedCall(t, wechat.Plain, hello)
	for _, text := range []string{strings.Repeat("测", 683), strings.Repeat("a", 2049), "a" + strings.Repeat("😀", 600)} {
		body, _, err := replyTo(t, call, model.Text(text))
		if err != nil {
			t.Fatal(err)
		}
		got := readReply(t, []byte(body)).Content
		if len(got) > model.MaxText || !utf8.ValidString(got) || !strings.HasSuffix(got, "…") || !strings.HasPrefix(text, strings.TrimSuffix(got, "…")) {
			t.Errorf("%d bytes %.10s… became %d bytes that end in %q", len(text), text, len(got), got[len(got)-6:])
		}
	}
	whole := strings.Repeat("测", 682) + "ab" // 2,048 bytes
	if body, _, _ := replyTo(t, call, model.Text(whole)); readReply(t, []byte(body)).Content != whole {
		t.Error("a text of 2,048 bytes was cut")
	}
}

func TestEveryTryGetsTheSameBytes(t *testing.T) {
	first, _, err := replyTo(t, openedCall(t, wechat.Plain, hello), model.Text("答"))
	if err != nil {
		t.Fatal(err)
	}
	second, _, _ := replyTo(t, openedCall(t, wechat.Plain, hello), model.Text("答"))
	if first != second {
		t.Errorf("the tries got\n%s\nand\n%s", first, second)
	}
}

func TestAMiniProgramIsAnsweredInItsOwnForm(t *testing.T) {
	body := `{"ToUserName":"gh_1","FromUserName":"oUser","CreateTime":"1760000000","MsgType":"text","Content":"人工","MsgId":24567890123456789}`
	sealed := encrypt(t, testKey, padded(body, testApp))
	codec := newCodec(t, testClock, wechat.CodecOptions{App: model.MiniProgram, AppID: testApp, Token: testToken, Mode: wechat.Safe, AESKey: testKey})
	call, err := codec.Open(signedQuery(testNow, sealed), []byte(`{"ToUserName":"gh_1","Encrypt":"`+sealed+`"}`))
	if err != nil || call.Inbound.Text != "人工" || call.Inbound.Key != "oUser.24567890123456789" || call.Inbound.App != model.MiniProgram {
		t.Fatalf("Open = %+v, %v", call.Inbound, err)
	}
	out, media, err := codec.Reply(nil, &call, model.Content{Kind: model.TransferContent})
	if err != nil || !strings.HasPrefix(media, "application/json") {
		t.Fatalf("Reply = %s, %s, %v", out, media, err)
	}
	var outer struct {
		Encrypt, MsgSignature, Nonce string
		TimeStamp                    int64
	}
	if err := json.Unmarshal(out, &outer); err != nil {
		t.Fatal(err)
	}
	message, _ := decrypt(t, testKey, outer.Encrypt)
	want := `{"ToUserName":"oUser","FromUserName":"gh_1","CreateTime":1760000000,"MsgType":"transfer_customer_service"}`
	if message != want || outer.MsgSignature != sha1Of(testToken, fmt.Sprint(outer.TimeStamp), outer.Nonce, outer.Encrypt) {
		t.Errorf("the reply is %s, %+v, want %s", message, outer, want)
	}
}
