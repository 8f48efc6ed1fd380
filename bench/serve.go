package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"kaimenhong/sandbox"
	"kaimenhong/sandbox/wechat"
)

// world is the production binary in a process of its own, on stores of its own,
// beside the sandbox in this process.
type world struct {
	addr    string // of serve
	process *exec.Cmd
	sandbox *sandbox.Sandbox
	close   []func()
}

// startLimit bounds how long a program may take to begin.
const startLimit = 30 * time.Second

// newWorld starts serve on the real stores that newHouse makes.
func newWorld(ctx context.Context) (*world, error) {
	w := &world{}
	if err := w.begin(ctx); err != nil {
		w.end()
		return nil, err
	}
	return w, nil
}

func (w *world) begin(ctx context.Context) error {
	h, err := newHouse(ctx)
	if err != nil {
		return err
	}
	w.close = append(w.close, h.close)
	binary, remove, err := built("kaimenhong")
	if err != nil {
		return err
	}
	w.close = append(w.close, remove)
	base, err := w.outside()
	if err != nil {
		return err
	}
	w.process = exec.Command(binary, "serve")
	w.process.Env = append(settings(base, h), "PATH="+os.Getenv("PATH"))
	output, err := w.process.StderrPipe()
	if err != nil {
		return err
	}
	if err := w.process.Start(); err != nil {
		return err
	}
	w.close = append(w.close, func() {
		_ = w.process.Process.Signal(syscall.SIGTERM)
		_ = w.process.Wait()
	})
	lines := bufio.NewScanner(output)
	for lines.Scan() {
		var said struct{ Msg, Addr string }
		if json.Unmarshal(lines.Bytes(), &said) == nil && said.Msg == "serving" {
			w.addr = said.Addr
			go func() { _, _ = io.Copy(os.Stderr, output) }() // ends with the process
			return nil
		}
		fmt.Fprintln(os.Stderr, lines.Text())
	}
	return errors.New("serve does not begin")
}

// outside starts the sandbox, which calls the application wherever it listens by
// then, and returns its address.
func (w *world) outside() (base string, err error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	base = "http://" + listener.Addr().String()
	w.sandbox, err = sandbox.New(sandbox.Options{
		CallbackURL: base + "/wechat/callback", PublicURL: base + "/sandbox", Customers: 60, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return "", errors.Join(err, listener.Close())
	}
	mux := http.NewServeMux()
	mux.Handle("/sandbox/", http.StripPrefix("/sandbox", w.sandbox.Handler()))
	mux.Handle("/", &httputil.ReverseProxy{Rewrite: func(p *httputil.ProxyRequest) { p.SetURL(&url.URL{Scheme: "http", Host: w.addr}) }})
	s := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = s.Serve(listener) }() // ends with Close
	w.close = append(w.close, func() {
		_ = s.Close()
		_ = w.sandbox.Close()
	})
	return base, nil
}

func (w *world) end() {
	for i := len(w.close) - 1; i >= 0; i-- {
		w.close[i]()
	}
}

// settings lead the application to the sandbox and to the stores of a house.
func settings(base string, h *house) []string {
	return []string{
		"KMH_HTTP_ADDR=127.0.0.1:0", "KMH_DATABASE_DSN=" + h.dsn, "KMH_REDIS_ADDRS=" + os.Getenv("KMH_TEST_REDIS_ADDR"), fmt.Sprintf("KMH_REDIS_DB=%d", benchDB),
		"KMH_WECHAT_APP_ID=" + sandbox.DefaultAppID, "KMH_WECHAT_APP_SECRET=" + sandbox.DefaultAppSecret,
		"KMH_WECHAT_TOKEN=" + sandbox.DefaultToken, "KMH_WECHAT_ENCODING_AES_KEY=" + sandbox.DefaultAESKey,
		"KMH_WECHAT_BASE_URL=" + base + "/sandbox/wechat", "KMH_CARRIER_BASE_URL=" + base + "/sandbox/carrier", "KMH_CARRIER_TOKEN=sandbox-carrier-token",
		"KMH_SMS_BASE_URL=" + base + "/sandbox/sms", "KMH_SMS_TOKEN=" + sandbox.DefaultSMSToken,
		"KMH_SECURITY_PHONE_KEY=1:YmVuY2gtcGhvbmUta2V5LTAxMjM0NTY3ODlhYmNkZWY=", "KMH_SECURITY_SESSION_KEY=YmVuY2gtc2Vzc2lvbi1rZXktMDEyMzQ1Njc4OWFiY2Q=",
	}
}

// bind lets a persona follow and bind his number, and returns his openid.
func (w *world) bind(ctx context.Context, persona string) (openID string, err error) {
	p, err := w.sandbox.Persona(persona)
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	say := func(text string) error {
		return errors.Join(w.sandbox.WeChat.Say(p.ID, wechat.Said{Text: text}), w.sandbox.Idle(ctx))
	}
	if err := errors.Join(w.sandbox.WeChat.Follow(p.ID, ""), w.sandbox.Idle(ctx), say("绑定"+p.Phone)); err != nil {
		return "", err
	}
	for _, m := range w.sandbox.SMS.Inbox(p.Phone, 0) {
		if code := codePattern.FindString(m.Text); code != "" {
			return p.OpenID, errors.Join(say(code), say("查话费"))
		}
	}
	return "", fmt.Errorf("%s got no code", persona)
}

var codePattern = regexp.MustCompile(`\b[0-9]{6}\b`)

// measureBalance compares a whole 查话费 with the SDK's echo of the same message: each
// message is a new one.
func measureBalance(e env) ([]Figure, error) {
	ctx := context.Background()
	w, err := newWorld(ctx)
	if err != nil {
		return nil, err
	}
	defer w.end()
	openID, err := w.bind(ctx, "ordinary")
	if err != nil {
		return nil, err
	}
	if err := w.hears(openID); err != nil {
		return nil, err
	}
	echo, err := startServer("sdk")
	if err != nil {
		return nil, err
	}
	defer echo.stop()
	const turns = 4 // the first one is the warming up
	ours, theirs := 0.0, 0.0
	for turn := range turns {
		a, err := rate(w.addr, openID, e.duration/(turns-1))
		if err != nil {
			return nil, fmt.Errorf("the balance: %w", err)
		}
		b, err := rate(echo.addr, openID, e.duration/(turns-1))
		if err != nil {
			return nil, fmt.Errorf("the SDK's server: %w", err)
		}
		if turn > 0 {
			ours, theirs = ours+a/(turns-1), theirs+b/(turns-1)
		}
	}
	return []Figure{against("callback.balance", "balances a second", ours, "SDK echo server", theirs, "≥", 1)}, nil
}

// hears fails unless the balance is what is answered.
func (w *world) hears(openID string) error {
	conn, err := net.Dial("tcp", w.addr)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	if _, err := conn.Write(callbackRequest(time.Now(), openID, "查话费", time.Now().UnixNano())); err != nil {
		return err
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return err
	}
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if plain := opened(body); !strings.Contains(plain, "话费余额") {
		return fmt.Errorf("a balance is answered %s %q", response.Status, plain)
	}
	return nil
}

// balanceClients are the connections that ask for balances at a time.
const balanceClients = 16

// rate is how many messages a second are answered, each of them new. They are written
// beforehand, a second's at a time, for one that is older looks like a repeat.
func rate(addr, openID string, d time.Duration) (float64, error) {
	var done int64
	var took time.Duration
	for took < d {
		n, t, err := answered(addr, openID, min(time.Second, d-took))
		if err != nil {
			return 0, err
		}
		done, took = done+n, took+t
	}
	return float64(done) / took.Seconds(), nil
}

// answered is how many messages are answered within d, and how long that took.
func answered(addr, openID string, d time.Duration) (int64, time.Duration, error) {
	first := time.Now().UnixNano()
	requests := make([][]byte, int(d.Seconds()*20_000))
	if err := parallel(2, len(requests), func(i int) error {
		requests[i] = callbackRequest(time.Now(), openID, "查话费", first+int64(i))
		return nil
	}); err != nil {
		return 0, 0, err
	}
	var next, done atomic.Int64
	begin := time.Now()
	err := parallel(balanceClients, balanceClients, func(int) error {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			return err
		}
		defer func() { _ = conn.Close() }()
		in := bufio.NewReader(conn)
		for time.Since(begin) < d {
			i := int(next.Add(1)) - 1
			if i >= len(requests) {
				return errors.New("all messages are used up: write more")
			}
			if _, err := conn.Write(requests[i]); err != nil {
				return err
			}
			if err := readOK(in); err != nil {
				return err
			}
			done.Add(1)
		}
		return nil
	})
	return done.Load(), time.Since(begin), err
}

// restFor is how long serve has been ready when its memory is looked at.
const restFor = 5 * time.Second

// measureMemory looks at serve at rest.
func measureMemory(env) ([]Figure, error) {
	w, err := newWorld(context.Background())
	if err != nil {
		return nil, err
	}
	defer w.end()
	time.Sleep(restFor)
	mb, err := resident(w.process.Process.Pid)
	return []Figure{atMost("serve.rss", "MB at rest", mb, 60)}, err
}

// measureSize looks at the binary of `make build`.
func measureSize(env) ([]Figure, error) {
	binary, remove, err := built("kaimenhong")
	if err != nil {
		return nil, err
	}
	defer remove()
	info, err := os.Stat(binary)
	if err != nil {
		return nil, err
	}
	return []Figure{atMost("binary.size", "MB", float64(info.Size())/1e6, 45)}, nil
}

// measureReady starts the demo on an empty folder and again on what that left.
func measureReady(env) ([]Figure, error) {
	binary, remove, err := built("demo")
	if err != nil {
		return nil, err
	}
	defer remove()
	data := filepath.Join(filepath.Dir(binary), "data")
	var figures []Figure
	for _, name := range []string{"demo.ready", "demo.ready.again"} {
		took, err := ready(binary, data)
		if err != nil {
			return nil, err
		}
		figures = append(figures, atMost(name, "s from the start of the process", took.Seconds(), 2))
	}
	return figures, nil
}

var announced = regexp.MustCompile(`http://[0-9.:]+`)

// ready starts a demo, waits until it answers as ready and ends it.
func ready(binary, data string) (time.Duration, error) {
	demo := exec.Command(binary, "--addr", "127.0.0.1:0", "--data", data)
	demo.Stderr = os.Stderr
	out, err := demo.StdoutPipe()
	if err != nil {
		return 0, err
	}
	begin := time.Now()
	if err := demo.Start(); err != nil {
		return 0, err
	}
	defer func() {
		_ = demo.Process.Signal(syscall.SIGTERM)
		_ = demo.Wait()
	}()
	for lines := bufio.NewScanner(out); lines.Scan(); {
		base := announced.FindString(lines.Text())
		if base == "" {
			continue
		}
		answer, err := http.Get(base + "/readyz")
		if err != nil {
			return 0, err
		}
		took := time.Since(begin)
		if err := answer.Body.Close(); err != nil || answer.StatusCode != http.StatusOK {
			return 0, fmt.Errorf("the demo is not ready: %s, %w", answer.Status, err)
		}
		return took, nil
	}
	return 0, errors.New("the demo does not begin")
}
