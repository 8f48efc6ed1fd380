package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/silenceper/wechat/v2/cache"
	"github.com/silenceper/wechat/v2/officialaccount"
	sdkconfig "github.com/silenceper/wechat/v2/officialaccount/config"
	"github.com/silenceper/wechat/v2/officialaccount/message"

	"kaimenhong/handler"
	"kaimenhong/model"
	"kaimenhong/sandbox"
	"kaimenhong/service/wechat"
)

// The account of the comparison is the sandbox's.
const (
	edgeApp   = sandbox.DefaultAppID
	edgeToken = sandbox.DefaultToken
	edgeKey   = sandbox.DefaultAESKey
	edgeText  = 690 // bytes of text that make the message 1 KB
)

// measureEdge compares a safe-mode echo: verify, decrypt, parse, route, reply,
// encrypt, behind HTTP. Both servers are processes of their own, so that only their
// processor time is counted; they meet the same client, byte for byte, and take
// turns; neither de-duplicates.
func measureEdge(e env) ([]Figure, error) {
	const turns = 3
	sums := map[string]float64{}
	for range turns {
		for _, side := range []string{"edge", "sdk", "bare"} {
			took, err := processorTime(side, e.duration/turns)
			if err != nil {
				return nil, fmt.Errorf("the server %s: %w", side, err)
			}
			sums[side] += took / turns
		}
	}
	fmt.Fprintf(e.log, "callback.edge: a bare HTTP server that sends the body back takes %.1f µs\n", sums["bare"])
	return []Figure{against("callback.edge", "µs of processor time a request", sums["edge"], "SDK echo server", sums["sdk"], "≤", 1.0/3)}, nil
}

// processorTime serves the message for d and returns the µs of processor time that
// the server took for one.
func processorTime(side string, d time.Duration) (float64, error) {
	server, err := startServer(side)
	if err != nil {
		return 0, err
	}
	defer server.stop()
	request := callbackRequest(time.Now(), "o9AgO5Kd5ggOC-bXrbNODIiE3bGY", strings.Repeat("查流量", edgeText/9), 24567890123456789)
	if _, err := ask(server.addr, request, time.Now().Add(d/5)); err != nil { // warm up
		return 0, err
	}
	before, err := server.used()
	if err != nil {
		return 0, err
	}
	end := time.Now().Add(d)
	counts := make([]int, edgeClients)
	err = parallel(edgeClients, edgeClients, func(i int) (err error) {
		counts[i], err = ask(server.addr, request, end)
		return err
	})
	if err != nil {
		return 0, err
	}
	after, err := server.used()
	total := 0
	for _, n := range counts {
		total += n
	}
	return float64((after - before).Microseconds()) / float64(total), err
}

// directInbox runs the logic as it comes.
type directInbox struct{}

func (directInbox) Do(ctx context.Context, _ model.Inbound, run func(context.Context) (model.Content, error)) (model.Content, error) {
	return run(ctx)
}

// echoLogic says what it is told.
type echoLogic struct{}

func (echoLogic) Handle(_ context.Context, in model.Inbound) (model.Content, error) {
	return model.Text(in.Text), nil
}

func edgeServer() (http.Handler, error) {
	codec, err := wechat.NewCodec(time.Now, wechat.CodecOptions{AppID: edgeApp, Token: edgeToken, Mode: wechat.Safe, AESKey: edgeKey})
	if err != nil {
		return nil, err
	}
	registry, log := prometheus.NewRegistry(), slog.New(slog.DiscardHandler)
	edge, err := handler.NewWeChat(codec, directInbox{}, echoLogic{}, log, registry, handler.WeChatOptions{})
	if err != nil {
		return nil, err
	}
	return handler.Routes(handler.Handlers{WeChat: edge, Log: log, Registry: registry})
}

// sdkServer is the echo server of the SDK's own documentation.
func sdkServer() http.Handler {
	account := officialaccount.NewOfficialAccount(&sdkconfig.Config{
		AppID: edgeApp, Token: edgeToken, EncodingAESKey: edgeKey, Cache: cache.NewMemory(),
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		server := account.GetServer(r, w)
		server.SetMessageHandler(func(m *message.MixMessage) *message.Reply {
			return &message.Reply{MsgType: message.MsgTypeText, MsgData: message.NewText(m.Content)}
		})
		if err := server.Serve(); err != nil {
			http.Error(w, "refused", http.StatusBadRequest)
			return
		}
		if err := server.Send(); err != nil {
			panic(err)
		}
	})
}

// bareServer reads and answers as much as the others do.
func bareServer(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(err)
	}
	if _, err := w.Write(body); err != nil {
		panic(err)
	}
}

// callbackRequest is a whole HTTP request of 1 KB at least, written as WeChat writes
// it in safe mode.
func callbackRequest(now time.Time, openID, text string, id int64) []byte {
	inner := `<xml><ToUserName><![CDATA[gh_97417a04a28d]]></ToUserName>
<FromUserName><![CDATA[` + openID + `]]></FromUserName>
<CreateTime>` + strconv.FormatInt(now.Unix(), 10) + `</CreateTime>
<MsgType><![CDATA[text]]></MsgType>
<Content><![CDATA[` + text + `]]></Content>
<MsgId>` + strconv.FormatInt(id, 10) + `</MsgId>
</xml>`
	inner += strings.Repeat(" ", max(0, 1024-len(inner)))
	key, _ := base64.StdEncoding.DecodeString(edgeKey + "=")
	plain := binary.BigEndian.AppendUint32([]byte("0123456789abcdef"), uint32(len(inner)))
	plain = append(append(plain, inner...), edgeApp...)
	pad := 32 - len(plain)%32
	plain = append(plain, bytes.Repeat([]byte{byte(pad)}, pad)...)
	block, _ := aes.NewCipher(key)
	cipher.NewCBCEncrypter(block, key[:16]).CryptBlocks(plain, plain)
	encrypted := base64.StdEncoding.EncodeToString(plain)
	sign := func(parts ...string) string {
		slices.Sort(parts)
		sum := sha1.Sum([]byte(strings.Join(parts, "")))
		return hex.EncodeToString(sum[:])
	}
	timestamp, nonce := strconv.FormatInt(now.Unix(), 10), "415670741"
	body := "<xml><ToUserName><![CDATA[gh_97417a04a28d]]></ToUserName><Encrypt><![CDATA[" + encrypted + "]]></Encrypt></xml>"
	return []byte("POST /wechat/callback?signature=" + sign(edgeToken, timestamp, nonce) + "&timestamp=" + timestamp + "&nonce=" + nonce +
		"&openid=" + openID + "&encrypt_type=aes&msg_signature=" + sign(edgeToken, timestamp, nonce, encrypted) +
		" HTTP/1.1\r\nHost: bench\r\nContent-Type: text/xml\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body)
}

// opened is what an encrypted answer holds; "" when it holds nothing.
func opened(body []byte) string {
	_, rest, _ := bytes.Cut(body, []byte("<Encrypt><![CDATA["))
	text, _, _ := bytes.Cut(rest, []byte("]]>"))
	sealed, err := base64.StdEncoding.DecodeString(string(text))
	if err != nil || len(sealed) == 0 || len(sealed)%aes.BlockSize != 0 {
		return ""
	}
	key, _ := base64.StdEncoding.DecodeString(edgeKey + "=")
	block, _ := aes.NewCipher(key)
	cipher.NewCBCDecrypter(block, key[:16]).CryptBlocks(sealed, sealed)
	return string(sealed)
}

// edgeClients are the connections that ask at a time.
const edgeClients = 4

// ask repeats the request on one connection until end, and counts the answers. It
// looks at the first one; the others have its length, so that reading them costs
// next to nothing and what is measured is the server.
func ask(address string, request []byte, end time.Time) (int, error) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return 0, err
	}
	defer func() { _ = conn.Close() }()
	if _, err := conn.Write(request); err != nil {
		return 0, err
	}
	var whole bytes.Buffer
	response, err := http.ReadResponse(bufio.NewReader(io.TeeReader(conn, &whole)), nil)
	if err != nil {
		return 0, err
	}
	size, err := io.Copy(io.Discard, response.Body)
	if err != nil {
		return 0, err
	}
	if response.StatusCode != http.StatusOK || size < 1000 {
		return 0, fmt.Errorf("answered %s with %d bytes", response.Status, size)
	}
	answer := make([]byte, whole.Len())
	n := 1
	for ; time.Now().Before(end); n++ {
		if _, err := conn.Write(request); err != nil {
			return 0, err
		}
		if _, err := io.ReadFull(conn, answer); err != nil {
			return 0, err
		}
		if !bytes.HasPrefix(answer, []byte("HTTP/1.1 200 OK\r\n")) {
			return 0, fmt.Errorf("answered %.20q", answer)
		}
	}
	return n, nil
}
