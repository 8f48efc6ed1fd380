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
	"sync"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/silenceper/wechat/v2/cache"
	"github.com/silenceper/wechat/v2/officialaccount"
	sdkconfig "github.com/silenceper/wechat/v2/officialaccount/config"
	"github.com/silenceper/wechat/v2/officialaccount/message"
	"github.com/sirupsen/logrus"

	"kaimenhong/handler"
	"kaimenhong/model"
	"kaimenhong/service/wechat"
)

// The account of the comparison.
const (
	edgeApp   = "wx5823bf96d3bd56c7"
	edgeToken = "QDG6eK"
	edgeKey   = "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C"
	edgeText  = 690 // bytes of text that make the message 1 KB
)

// measureEdge compares a safe-mode echo: verify, decrypt, parse, route, reply,
// encrypt, behind HTTP. Both servers meet the same client, byte for byte; neither
// de-duplicates.
func measureEdge(e env) ([]Figure, error) {
	logrus.SetOutput(io.Discard)
	logrus.SetLevel(logrus.PanicLevel)
	ours, err := edgeServer()
	if err != nil {
		return nil, err
	}
	value, err := processorTime(ours, edgeRequest(time.Now()), e.duration)
	if err != nil {
		return nil, fmt.Errorf("the edge: %w", err)
	}
	other, err := processorTime(sdkServer(), edgeRequest(time.Now()), e.duration)
	if err != nil {
		return nil, fmt.Errorf("the SDK's server: %w", err)
	}
	floor, err := processorTime(http.HandlerFunc(bareServer), edgeRequest(time.Now()), e.duration)
	if err != nil {
		return nil, fmt.Errorf("a bare server: %w", err)
	}
	fmt.Fprintf(e.log, "callback.edge: %.1f µs, of which a bare HTTP server and the client take %.1f µs\n", value, floor)
	return []Figure{against("callback.edge", "µs of processor time a request", value, "SDK echo server", other, "≤", 1.0/3)}, nil
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

// edgeRequest is a whole HTTP request, written as WeChat writes it.
func edgeRequest(now time.Time) []byte {
	inner := `<xml><ToUserName><![CDATA[gh_97417a04a28d]]></ToUserName>
<FromUserName><![CDATA[o9AgO5Kd5ggOC-bXrbNODIiE3bGY]]></FromUserName>
<CreateTime>` + strconv.FormatInt(now.Unix(), 10) + `</CreateTime>
<MsgType><![CDATA[text]]></MsgType>
<Content><![CDATA[` + strings.Repeat("查流量", edgeText/9) + `]]></Content>
<MsgId>24567890123456789</MsgId>
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
		"&openid=o9AgO5Kd5ggOC-bXrbNODIiE3bGY&encrypt_type=aes&msg_signature=" + sign(edgeToken, timestamp, nonce, encrypted) +
		" HTTP/1.1\r\nHost: bench\r\nContent-Type: text/xml\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body)
}

// edgeClients are the connections that ask at a time.
const edgeClients = 4

// processorTime serves request over loopback for d and returns the µs of processor
// time that server and client took for one.
func processorTime(server http.Handler, request []byte, d time.Duration) (float64, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	s := &http.Server{Handler: server, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = s.Serve(listener) }() // ends with Close
	defer func() { _ = s.Close() }()
	address := listener.Addr().String()
	if _, err := ask(address, request, time.Now().Add(d/5)); err != nil { // warm up
		return 0, err
	}
	before := processor()
	end := time.Now().Add(d)
	counts, errs := make([]int, edgeClients), make([]error, edgeClients)
	var group sync.WaitGroup
	for i := range edgeClients {
		group.Go(func() { counts[i], errs[i] = ask(address, request, end) })
	}
	group.Wait()
	used := processor() - before
	total := 0
	for i := range counts {
		if errs[i] != nil {
			return 0, errs[i]
		}
		total += counts[i]
	}
	return float64(used.Microseconds()) / float64(total), nil
}

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

// processor is the processor time of this process so far.
func processor() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err) // cannot fail with these arguments
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
