package story

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"kaimenhong/cmd/internal/app"
	"kaimenhong/config"
	"kaimenhong/sandbox"
)

// The keys of a story's replicas, unless its settings say otherwise.
const (
	PhoneKey   = "1:c3RvcnktcGhvbmUta2V5LTAxMjM0NTY3ODlhYmNkZWY="
	sessionKey = "c3Rvcnktc2Vzc2lvbi1rZXktMDEyMzQ1Njc4OWFiY2Q="
)

// Environment is what a replica of this story is told, as the environment tells it.
func (w *World) Environment() []string {
	settings := map[string]string{
		"HTTP_ADDR": "127.0.0.1:0", "DATABASE_DSN": w.stores.DSN,
		"REDIS_ADDRS": strings.Join(w.stores.Redis.Addrs, ","), "REDIS_DB": strconv.Itoa(w.stores.Redis.DB),
		"WECHAT_APP_ID": sandbox.DefaultAppID, "WECHAT_APP_SECRET": sandbox.DefaultAppSecret,
		"WECHAT_MINI_APP_ID": sandbox.DefaultMiniAppID, "WECHAT_MINI_APP_SECRET": sandbox.DefaultMiniAppSecret,
		"WECHAT_TOKEN": sandbox.DefaultToken, "WECHAT_ENCODING_AES_KEY": sandbox.DefaultAESKey, "WECHAT_MODE": string(w.Sandbox.WeChat.Mode()),
		"WECHAT_BASE_URL": w.base + "/sandbox/wechat", "CARRIER_BASE_URL": w.base + "/sandbox/carrier", "CARRIER_TOKEN": "story-carrier-token-4f1d",
		"SMS_BASE_URL": w.base + "/sandbox/sms", "SMS_TOKEN": sandbox.DefaultSMSToken,
		"SECURITY_PHONE_KEY": PhoneKey, "SECURITY_SESSION_KEY": sessionKey, "CHAT_AGENT_HOURS": "00:00-24:00", "LOG_LEVEL": "debug",
	}
	for name, value := range w.Settings {
		settings[name] = value
	}
	var environ []string
	for name, value := range settings {
		environ = append(environ, "KMH_"+name+"="+value)
	}
	return environ
}

// Replica serves the account. Make one with World.Replica or World.Process.
type Replica struct {
	URL string

	w       *World
	proxy   http.Handler
	app     *app.App // nil for a process
	stop    func() error
	signal  func(os.Signal) error // of a process
	kill    func()
	stopped sync.Once
}

// Replica starts the application within this process and puts it behind the front.
func (w *World) Replica() *Replica {
	w.t.Helper()
	cfg, err := config.Load("", w.Environment())
	if err != nil {
		w.t.Fatal(err)
	}
	starting, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	a, err := app.New(starting, cfg, w.Logs.logger("replica"), w.Now)
	if err != nil {
		w.t.Fatal(err)
	}
	listener, err := net.Listen("tcp", cfg.HTTP.Addr)
	if err != nil {
		w.t.Fatal(err)
	}
	a.Start()
	serving, end := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- app.Serve(serving, listener, a.Handler, cfg.HTTP.ShutdownTimeout) }()
	return w.add(&Replica{
		URL: "http://" + listener.Addr().String(), app: a,
		stop: func() error {
			end()
			err := <-served
			ctx, cancel := context.WithTimeout(context.Background(), closing)
			defer cancel()
			return errors.Join(err, a.Close(ctx))
		},
	})
}

// Process starts the production binary in a process of its own, which Kill can end
// at any instant.
func (w *World) Process(binary string) *Replica {
	w.t.Helper()
	serve := exec.Command(binary, "serve")
	serve.Env = append(w.Environment(), "PATH="+os.Getenv("PATH"))
	return w.process(serve)
}

// process starts a replica in a process of its own.
func (w *World) process(serve *exec.Cmd) *Replica {
	w.t.Helper()
	output, err := serve.StderrPipe()
	if err != nil {
		w.t.Fatal(err)
	}
	if err := serve.Start(); err != nil {
		w.t.Fatal(err)
	}
	addr, read := make(chan string, 1), make(chan struct{})
	go func() {
		defer close(read)
		w.Logs.copy(output, addr)
	}()
	var once sync.Once
	var ended error
	wait := func() error {
		once.Do(func() {
			<-read
			ended = serve.Wait()
		})
		return ended
	}
	r := &Replica{
		signal: serve.Process.Signal,
		stop: func() error {
			if err := serve.Process.Signal(syscall.SIGTERM); err != nil {
				return err
			}
			return wait()
		},
		kill: func() {
			_ = serve.Process.Kill() // it may have ended by itself
			_ = wait()               // killed, it says
		},
	}
	select {
	case at := <-addr:
		r.URL = "http://" + at
	case <-read:
		w.t.Fatalf("serve ended at once: %v\n%s", wait(), w.Logs.tail())
	case <-time.After(patience):
		r.kill()
		w.t.Fatalf("serve does not begin within %s\n%s", patience, w.Logs.tail())
	}
	return w.add(r)
}

func (w *World) add(r *Replica) *Replica {
	target, err := url.Parse(r.URL)
	if err != nil {
		w.t.Fatal(err)
	}
	r.w = w
	r.proxy = &httputil.ReverseProxy{
		Rewrite: func(p *httputil.ProxyRequest) { p.SetURL(target) },
		// A replica that is dead or dies is what the stories are about.
		ErrorHandler: func(rw http.ResponseWriter, _ *http.Request, _ error) { rw.WriteHeader(http.StatusBadGateway) },
		Transport:    &http.Transport{DisableKeepAlives: true},
	}
	w.front.add(r)
	return r
}

// Stop ends the replica as a signal does: what was begun is finished.
func (r *Replica) Stop() {
	r.w.t.Helper()
	r.stopped.Do(func() {
		r.w.checkMetrics(r)
		r.w.front.remove(r)
		if err := r.stop(); err != nil {
			r.w.t.Errorf("stop the replica: %v", err)
		}
	})
}

// Freeze stops a process where it is, so that the story can look at what it was doing;
// it is thawed, or killed.
func (r *Replica) Freeze() { r.signals(syscall.SIGSTOP) }

// Thaw lets it go on.
func (r *Replica) Thaw() { r.signals(syscall.SIGCONT) }

func (r *Replica) signals(s os.Signal) {
	r.w.t.Helper()
	if err := r.signal(s); err != nil {
		r.w.t.Fatal(err)
	}
}

// Kill ends a process at once (SIGKILL). The front still sends callbacks to it, as
// a balancer does that has not noticed, until Forget.
func (r *Replica) Kill() { r.stopped.Do(r.kill) }

// Forget takes a killed replica out of the front.
func (r *Replica) Forget() { r.w.front.remove(r) }

// Next lets the next request come to this replica.
func (r *Replica) Next() { r.w.front.next(r) }

// Publishes puts the account's menu up, as the demo does.
func (r *Replica) Publishes() *Replica {
	r.w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := r.app.PublishMenu(ctx); err != nil {
		r.w.t.Fatal(err)
	}
	return r
}

// Get fetches a page of the replica itself.
func (r *Replica) Get(path string) string {
	r.w.t.Helper()
	request, err := http.NewRequestWithContext(context.Background(), http.MethodGet, r.URL+path, nil)
	if err != nil {
		r.w.t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		r.w.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(response.Body, 4<<20))
	if err != nil {
		r.w.t.Fatal(err)
	}
	return string(body)
}

// Metric sums the samples of a metric whose line contains every part:
// Metric("callbacks_total", `outcome="answered"`).
func (r *Replica) Metric(name string, parts ...string) float64 {
	r.w.t.Helper()
	sum := 0.0
next:
	for line := range strings.Lines(r.Get("/metrics")) {
		if !strings.HasPrefix(line, name) {
			continue
		}
		for _, p := range parts {
			if !strings.Contains(line, p) {
				continue next
			}
		}
		value, err := strconv.ParseFloat(strings.TrimSpace(line[strings.LastIndexByte(line, ' ')+1:]), 64)
		if err != nil {
			r.w.t.Fatalf("metric %q: %v", line, err)
		}
		sum += value
	}
	return sum
}

// front passes requests to the replicas, each to the next one.
type front struct {
	mu       sync.Mutex
	replicas []*Replica
	turn     int
}

func (f *front) add(r *Replica) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.replicas = append(f.replicas, r)
}

func (f *front) remove(r *Replica) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, other := range f.replicas {
		if other == r {
			f.replicas = append(f.replicas[:i:i], f.replicas[i+1:]...)
			return
		}
	}
}

func (f *front) next(r *Replica) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.turn = slices.Index(f.replicas, r)
}

func (f *front) all() []*Replica {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]*Replica(nil), f.replicas...)
}

func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	if len(f.replicas) == 0 {
		f.mu.Unlock()
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	next := f.replicas[f.turn%len(f.replicas)]
	f.turn++
	f.mu.Unlock()
	next.proxy.ServeHTTP(w, r)
}

// Binary builds the production binary.
func Binary(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "kaimenhong")
	build := exec.Command("go", "build", "-o", path, "kaimenhong/cmd/kaimenhong")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return path
}

// addressOf finds where a line of serve's log says that it listens.
func addressOf(line []byte) string {
	var said struct {
		Message string `json:"msg"`
		Addr    string `json:"addr"`
	}
	if json.Unmarshal(line, &said) != nil || said.Message != "serving" {
		return ""
	}
	return said.Addr
}

// copy keeps a child's lines and tells where it listens.
func (l *Logs) copy(from io.Reader, addr chan<- string) {
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		l.keep(append(lines.Bytes(), '\n'))
		if at := addressOf(lines.Bytes()); at != "" {
			addr <- at
		}
	}
}
