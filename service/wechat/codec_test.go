package wechat_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"kaimenhong/model"
	"kaimenhong/service/wechat"
)

// vector is an entry of testdata/vectors.json.
type vector struct {
	ID, Kind, Token, AppID, Timestamp, Nonce, Signature, Echostr, Body, Ciphertext, Plaintext string
	EncodingAESKey                                                                            string
	MsgSignature                                                                              string `json:"msg_signature"`
}

func vectors(t testing.TB) map[string]vector {
	t.Helper()
	raw, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var list []vector
	if err := json.Unmarshal(raw, &list); err != nil {
		t.Fatal(err)
	}
	out := map[string]vector{}
	for _, v := range list {
		out[v.ID] = v
	}
	return out
}

// at is a clock that stands at a query's timestamp.
func at(t testing.TB, seconds string) model.Clock {
	t.Helper()
	n, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return func() time.Time { return time.Unix(n, 0) }
}

func newCodec(t testing.TB, now model.Clock, opts wechat.CodecOptions) *wechat.Codec {
	t.Helper()
	c, err := wechat.NewCodec(now, opts)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (v vector) codec(t testing.TB, mode wechat.Mode) *wechat.Codec {
	t.Helper()
	if v.AppID == "" {
		v.AppID = "wx0000000000000000"
	}
	return newCodec(t, at(t, v.Timestamp), wechat.CodecOptions{AppID: v.AppID, Token: v.Token, Mode: mode, AESKey: v.EncodingAESKey})
}

func (v vector) query() wechat.Query {
	return wechat.Query{Signature: v.Signature, MsgSignature: v.MsgSignature, Timestamp: v.Timestamp, Nonce: v.Nonce, Echo: v.Echostr}
}

func TestWeChatsOwnExamples(t *testing.T) {
	all := vectors(t)
	t.Run("the console's GET is echoed", func(t *testing.T) {
		v := all["official-url-verify"]
		if got, err := v.codec(t, wechat.Plain).Echo(v.query()); err != nil || got != v.Echostr {
			t.Fatalf("Echo = %q, %v, want %q", got, err, v.Echostr)
		}
	})
	t.Run("an encrypted echostr is decrypted", func(t *testing.T) {
		v := all["official-sample-verifyurl"]
		v.Echostr = v.Ciphertext
		if got, err := v.codec(t, wechat.Safe).Echo(v.query()); err != nil || got != v.Plaintext {
			t.Fatalf("Echo = %q, %v, want %q", got, err, v.Plaintext)
		}
	})
	t.Run("a plain JSON body is read", func(t *testing.T) {
		v := all["official-plain-post"]
		call, err := v.codec(t, wechat.Plain).Open(v.query(), []byte(v.Body))
		checkDebugDemo(t, call, err)
	})
	t.Run("an encrypted JSON body is read", func(t *testing.T) {
		v := all["official-safe-json"]
		call, err := v.codec(t, wechat.Safe).Open(v.query(), []byte(`{"ToUserName":"gh_97417a04a28d","Encrypt":"`+v.Ciphertext+`"}`))
		checkDebugDemo(t, call, err)
		if string(call.Inbound.Raw) != v.Plaintext {
			t.Errorf("Raw = %s, want %s", call.Inbound.Raw, v.Plaintext)
		}
	})
	t.Run("an encrypted XML body is read", func(t *testing.T) {
		v := all["official-safe-xml-openplatform"]
		call, err := v.codec(t, wechat.Safe).Open(v.query(), []byte(`<xml>
			<ToUserName><![CDATA[gh_97417a04a28d]]></ToUserName>
			<Encrypt><![CDATA[`+v.Ciphertext+`]]></Encrypt></xml>`))
		checkDebugDemo(t, call, err)
	})
}

func checkDebugDemo(t *testing.T, call wechat.Call, err error) {
	t.Helper()
	in := call.Inbound
	if err != nil || in.Kind != "event.debug_demo" || in.OpenID != "o9AgO5Kd5ggOC-bXrbNODIiE3bGY" || !in.ReceivedRaw || !in.Key.Valid() {
		t.Fatalf("Open = %+v, %v", in, err)
	}
}

// plainCall signs body as plain mode does and opens it.
func plainCall(t testing.TB, body string) (wechat.Call, error) {
	t.Helper()
	v := vectors(t)["official-plain-post"]
	return v.codec(t, wechat.Plain).Open(v.query(), []byte(body))
}

func TestEveryFixtureIsRead(t *testing.T) {
	raw, err := os.ReadFile("testdata/callback/MANIFEST.json")
	if err != nil {
		t.Fatal(err)
	}
	var manifest []struct {
		File    string
		MsgType string `json:"msg_type"`
		Event   string
	}
	if err := json.Unmarshal(raw, &manifest); err != nil {
		t.Fatal(err)
	}
	if len(manifest) == 0 {
		t.Fatal("no fixtures")
	}
	for _, entry := range manifest {
		t.Run(strings.TrimSuffix(entry.File, ".xml"), func(t *testing.T) {
			body, err := os.ReadFile(filepath.Join("testdata/callback", entry.File))
			if err != nil {
				t.Fatal(err)
			}
			call, err := plainCall(t, string(body))
			if err != nil {
				t.Fatal(err)
			}
			want := entry.MsgType
			if want == "event" {
				want += "." + strings.ToLower(entry.Event)
			}
			if in := call.Inbound; string(in.Kind) != want || in.ReceivedRaw || !in.Key.Valid() || in.OpenID == "" || in.CreatedAt == 0 {
				t.Errorf("Open = %+v, want kind %s, known, with a key", in, want)
			}
		})
	}
}

func TestNewCodecSaysWhatIsMissing(t *testing.T) {
	good := wechat.CodecOptions{AppID: "wx1", Token: "token", Mode: wechat.Safe, AESKey: strings.Repeat("A", 43)}
	for _, tt := range []struct {
		name   string
		change func(*wechat.CodecOptions)
		want   string
	}{
		{"an empty token", func(o *wechat.CodecOptions) { o.Token = "" }, "token"},
		{"no appid", func(o *wechat.CodecOptions) { o.AppID = "" }, "appid"},
		{"no mode", func(o *wechat.CodecOptions) { o.Mode = "" }, "mode"},
		{"no key in safe mode", func(o *wechat.CodecOptions) { o.AESKey = "" }, "43"},
		{"a short previous key", func(o *wechat.CodecOptions) { o.PreviousAESKey = "secretive" }, "43"},
		{"a negative window", func(o *wechat.CodecOptions) { o.Window = -1 }, "window"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			opts := good
			tt.change(&opts)
			_, err := wechat.NewCodec(time.Now, opts)
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "secretive") {
				t.Fatalf("NewCodec = %v, want an error about %q", err, tt.want)
			}
		})
	}
	if _, err := wechat.NewCodec(time.Now, good); err != nil {
		t.Fatal(err)
	}
}
