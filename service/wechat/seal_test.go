package wechat_test

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/xml"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"kaimenhong/model"
	"kaimenhong/service/wechat"
)

// What follows is WeChat's side, written for the tests from its description alone.

const (
	testApp   = "wx5823bf96d3bd56c7"
	testToken = "QDG6eK"
	testKey   = "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C"
	otherKey  = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"
	testNow   = 1760000000
)

func testClock() time.Time { return time.Unix(testNow, 0) }

func sha1Of(parts ...string) string {
	slices.Sort(parts)
	sum := sha1.Sum([]byte(strings.Join(parts, "")))
	return hex.EncodeToString(sum[:])
}

func rawKey(t testing.TB, encoded string) []byte {
	t.Helper()
	key, err := base64.StdEncoding.DecodeString(encoded + "=")
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// padded is the plaintext of an encrypted message.
func padded(message, appID string) []byte {
	out := []byte("0123456789abcdef")
	out = binary.BigEndian.AppendUint32(out, uint32(len(message)))
	out = append(append(out, message...), appID...)
	n := 32 - len(out)%32
	return append(out, slices.Repeat([]byte{byte(n)}, n)...)
}

func encrypt(t testing.TB, encodedKey string, plain []byte) string {
	t.Helper()
	key := rawKey(t, encodedKey)
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	out := slices.Clone(plain)
	cipher.NewCBCEncrypter(block, key[:16]).CryptBlocks(out, out)
	return base64.StdEncoding.EncodeToString(out)
}

// decrypt returns the message and the appid.
func decrypt(t testing.TB, encodedKey, text string) (message, appID string) {
	t.Helper()
	key := rawKey(t, encodedKey)
	out, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	cipher.NewCBCDecrypter(block, key[:16]).CryptBlocks(out, out)
	out = out[:len(out)-int(out[len(out)-1])]
	n := binary.BigEndian.Uint32(out[16:])
	return string(out[20 : 20+n]), string(out[20+n:])
}

// signedQuery signs as WeChat does; encrypted is "" for a plain call.
func signedQuery(at int64, encrypted string) wechat.Query {
	q := wechat.Query{Timestamp: strconv.FormatInt(at, 10), Nonce: "415670741"}
	q.Signature = sha1Of(testToken, q.Timestamp, q.Nonce)
	if encrypted != "" {
		q.MsgSignature = sha1Of(testToken, q.Timestamp, q.Nonce, encrypted)
	}
	return q
}

func envelopeOf(encrypted string) string {
	return "<xml><ToUserName><![CDATA[gh_1]]></ToUserName><Encrypt><![CDATA[" + encrypted + "]]></Encrypt></xml>"
}

func testCodec(t testing.TB, mode wechat.Mode) *wechat.Codec {
	t.Helper()
	opts := wechat.CodecOptions{AppID: testApp, Token: testToken, Mode: mode}
	if mode != wechat.Plain {
		opts.AESKey, opts.PreviousAESKey = testKey, otherKey
	}
	return newCodec(t, testClock, opts)
}

const hello = `<xml><ToUserName><![CDATA[gh_1]]></ToUserName><FromUserName><![CDATA[oUser]]></FromUserName>` +
	`<CreateTime>1760000000</CreateTime><MsgType><![CDATA[text]]></MsgType><Content><![CDATA[查话费]]></Content><MsgId>24567890123456789</MsgId></xml>`

// openedCall is hello, opened in a mode.
func openedCall(t testing.TB, mode wechat.Mode, body string) wechat.Call {
	t.Helper()
	q := signedQuery(testNow, "")
	if mode != wechat.Plain {
		encrypted := encrypt(t, testKey, padded(body, testApp))
		q, body = signedQuery(testNow, encrypted), envelopeOf(encrypted)
	}
	call, err := testCodec(t, mode).Open(q, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	return call
}

// reply is a passive reply as WeChat reads it.
type reply struct {
	XMLName      xml.Name `xml:"xml"`
	ToUserName   string
	FromUserName string
	CreateTime   int64
	MsgType      string
	Content      string
	ImageMedia   string `xml:"Image>MediaId"`
	VoiceMedia   string `xml:"Voice>MediaId"`
	Video        struct{ MediaId, Title, Description string }
	Music        struct{ Title, Description, MusicUrl, HQMusicUrl, ThumbMediaId string }
	ArticleCount int
	Articles     []struct{ Title, Description, PicUrl, Url string } `xml:"Articles>item"`
	Agent        string                                             `xml:"TransInfo>KfAccount"`
}

// sealedReply is the encrypted form.
type sealedReply struct {
	XMLName                                 xml.Name `xml:"xml"`
	Encrypt, MsgSignature, TimeStamp, Nonce string
}

func readReply(t testing.TB, body []byte) reply {
	t.Helper()
	var r reply
	if err := xml.Unmarshal(body, &r); err != nil {
		t.Fatalf("the reply is not XML: %v\n%s", err, body)
	}
	return r
}

func replyTo(t testing.TB, call wechat.Call, content model.Content) (string, string, error) {
	t.Helper()
	body, media, err := testCodec(t, wechat.Safe).Reply(nil, &call, content)
	return string(body), media, err
}
