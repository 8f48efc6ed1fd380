package story

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"

	"kaimenhong/sandbox"
)

// Logs are the lines that everything in a story wrote.
type Logs struct {
	mu      sync.Mutex
	lines   [][]byte
	forgive []string
}

func (l *Logs) keep(line []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, bytes.Clone(line))
}

// Write takes what a logger of this process writes: one line at a time.
func (l *Logs) Write(line []byte) (int, error) {
	l.keep(line)
	return len(line), nil
}

func (l *Logs) logger(who string) *slog.Logger {
	return slog.New(slog.NewJSONHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug})).With("who", who)
}

// Forgives lets lines of level ERROR pass whose message is one of these.
func (l *Logs) Forgives(messages ...string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.forgive = append(l.forgive, messages...)
}

// Line is one line of a log, read.
type Line map[string]any

// Lines returns the lines with the message, oldest first; all for "".
func (l *Logs) Lines(message string) (found []Line) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, raw := range l.lines {
		var line Line
		if json.Unmarshal(raw, &line) == nil && (message == "" || line["msg"] == message) {
			found = append(found, line)
		}
	}
	return found
}

// tail is what was written last, without what is there for looking closer.
func (l *Logs) tail() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var last []string
	for _, line := range slices.Backward(l.lines) {
		if bytes.Contains(line, []byte(`"level":"DEBUG"`)) {
			continue
		}
		if last = append(last, string(line)); len(last) == 30 {
			break
		}
	}
	slices.Reverse(last)
	return strings.Join(last, "")
}

// checkLogs fails the story when a line holds what nobody may read, or an error
// that was not forgiven.
func (w *World) checkLogs() {
	w.t.Helper()
	private := w.private()
	w.Logs.mu.Lock()
	defer w.Logs.mu.Unlock()
	for _, line := range w.Logs.lines {
		for what, value := range private {
			if bytes.Contains(line, []byte(value)) {
				w.t.Errorf("a log line holds %s: %s", what, line)
			}
		}
		var read struct{ Level, Msg string }
		if json.Unmarshal(line, &read) == nil && read.Level == "ERROR" && !slices.Contains(w.Logs.forgive, read.Msg) {
			w.t.Errorf("an error was logged: %s", line)
		}
	}
}

// checkMetrics fails the story when a metric holds what nobody may read.
func (w *World) checkMetrics(r *Replica) {
	w.t.Helper()
	shown := r.Get("/metrics")
	for what, value := range w.private() {
		if strings.Contains(shown, value) {
			w.t.Errorf("a metric holds %s", what)
		}
	}
}

// private is what no log line and no metric may hold.
func (w *World) private() map[string]string {
	held := map[string]string{
		"the AppSecret": sandbox.DefaultAppSecret, "the mini-program's secret": sandbox.DefaultMiniAppSecret,
		"the callback's token": sandbox.DefaultToken, "the AES key": sandbox.DefaultAESKey, "the SMS token": sandbox.DefaultSMSToken,
		"the carrier's token": "story-carrier-token-4f1d", "the phone key": strings.TrimPrefix(PhoneKey, "1:"), "the session key": sessionKey,
	}
	people, err := w.Sandbox.Personas()
	if err != nil {
		w.t.Fatal(err)
	}
	for _, p := range people {
		held["the phone of "+p.ID], held["the openid of "+p.ID] = p.Phone, p.OpenID
		held["the mini-program's openid of "+p.ID], held["the unionid of "+p.ID] = p.MiniOpenID, p.UnionID
	}
	return held
}

// happenings wake whoever waits for something.
type happenings struct {
	mu    sync.Mutex
	woken chan struct{}
	begun []string
}

func (h *happenings) next() <-chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.woken == nil {
		h.woken = make(chan struct{})
	}
	return h.woken
}

func (h *happenings) wake() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.woken != nil {
		close(h.woken)
		h.woken = nil
	}
}

func (h *happenings) count(part string) (n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, path := range h.begun {
		if strings.Contains(path, part) {
			n++
		}
	}
	return n
}

// around wakes when a request begins and when it was answered.
func (h *happenings) around(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.mu.Lock()
		h.begun = append(h.begun, r.URL.Path)
		h.mu.Unlock()
		h.wake()
		defer h.wake()
		next.ServeHTTP(w, r)
	})
}

// follow wakes at each event of the sandbox: a message in a chat, an SMS.
func (h *happenings) follow(ctx context.Context, url string) {
	for ctx.Err() == nil {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			panic(err) // the world made the URL
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return // the world ended
		}
		lines := bufio.NewScanner(response.Body)
		lines.Buffer(nil, 4<<20)
		for lines.Scan() {
			h.wake()
		}
		_ = response.Body.Close()
		h.wake() // whatever was missed while nobody listened
	}
}
