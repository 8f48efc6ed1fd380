package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"kaimenhong/sandbox/faults"
	"kaimenhong/sandbox/wechat"
)

// sandboxEnv makes a process of this program WeChat's sandbox, so that neither its
// memory nor its locks are the application's.
const sandboxEnv = "KMH_BENCH_SANDBOX"

// pretend is a WeChat with so many followers, each of whom agreed to so many notices.
type pretend struct {
	Users   int   `json:"users"`
	Notices int   `json:"notices"`
	DelayMS int64 `json:"delayMs"`
}

const (
	benchApp, benchSecret = "wxbench0000000001", "bench-secret"
	noticePath            = "/cgi-bin/message/subscribe/bizsend"
)

// runSandbox serves until its input ends.
func runSandbox(in io.Reader, out io.Writer) error {
	var job pretend
	decoder := json.NewDecoder(in)
	if err := decoder.Decode(&job); err != nil {
		return err
	}
	set := faults.New(1)
	users := make([]wechat.User, job.Users)
	for i := range users {
		users[i] = wechat.User{ID: fmt.Sprint(i), Name: "x", Phone: fmt.Sprint(13000000000 + i), Follows: true}
	}
	platform, err := wechat.New(time.Now, slog.New(slog.DiscardHandler), set, wechat.Options{
		AppID: benchApp, AppSecret: benchSecret, Token: "t", MiniAppID: "wxbench0000000002", MiniAppSecret: benchSecret, Mode: wechat.Plain,
		Users: users, Quotas: map[string]int{noticePath: 1 << 40}, MaxSends: 1000, MaxExchanges: 10,
	})
	if err != nil {
		return err
	}
	defer platform.Close()
	template := noticeTemplate()
	for i := range users {
		for range job.Notices {
			if err := platform.Subscribe(users[i].ID, wechat.Grant{Templates: []string{template}}); err != nil {
				return err
			}
		}
	}
	if job.DelayMS > 0 {
		if err := set.Put("wechat.bizsend", faults.Fault{Kind: faults.Delay, DelayMS: job.DelayMS}); err != nil {
			return err
		}
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: arrivals(platform.Handler()), ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(listener) }() // ends with the process
	fmt.Fprintln(out, "http://"+listener.Addr().String())
	_, err = io.Copy(io.Discard, in)
	return errors.Join(err, server.Close())
}

// arrivalPath is where the sandbox's process says when the last notice came in.
const arrivalPath = "/bench/arrival"

// arrival is how many notices came in, and when the last did, in nanoseconds.
type arrival struct {
	N  int64 `json:"n"`
	At int64 `json:"at"`
}

// arrivals counts what comes in before WeChat looks at it.
func arrivals(platform http.Handler) http.Handler {
	var n, at atomic.Int64
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case noticePath:
			n.Add(1)
			at.Store(time.Now().UnixNano())
		case arrivalPath:
			_ = json.NewEncoder(w).Encode(arrival{n.Load(), at.Load()})
			return
		}
		platform.ServeHTTP(w, r)
	})
}

// noticeTemplate is a subscribe notice with the fields that noticeFields fill.
var noticeTemplate = sync.OnceValue(func() string {
	for _, t := range wechat.DefaultTemplates() {
		if t.Kind == wechat.NoticeTemplate && len(t.Fields) == 3 {
			return t.ID
		}
	}
	return ""
})

var noticeFields = map[string]string{"thing1": "新春红包", "time2": "2026-02-17 12:00", "thing3": "和朋友一起凑满就能领取"}

// outsideWorld is a sandbox's process.
type outsideWorld struct {
	url   string
	users []string // their openids
	token string
	stop  func()
}

func newOutside(ctx context.Context, job pretend) (*outsideWorld, error) {
	text, err := json.Marshal(job)
	if err != nil {
		return nil, err
	}
	child := exec.CommandContext(ctx, os.Args[0])
	child.Env, child.Stderr = append(os.Environ(), sandboxEnv+"=1"), os.Stderr
	input, err := child.StdinPipe()
	if err != nil {
		return nil, err
	}
	output, err := child.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := child.Start(); err != nil {
		return nil, err
	}
	w := &outsideWorld{stop: func() { _ = input.Close(); _ = child.Wait() }}
	if _, err := input.Write(text); err != nil {
		w.stop()
		return nil, err
	}
	if _, err := fmt.Fscanln(output, &w.url); err != nil {
		w.stop()
		return nil, fmt.Errorf("the sandbox did not begin: %w", err)
	}
	if err := w.enter(job.Users); err != nil {
		w.stop()
		return nil, err
	}
	return w, nil
}

// enter takes a token and lists the followers.
func (w *outsideWorld) enter(users int) error {
	var token struct {
		Token string `json:"access_token"`
	}
	err := post(w.url+"/cgi-bin/stable_token", fmt.Sprintf(`{"grant_type":"client_credential","appid":%q,"secret":%q}`, benchApp, benchSecret), &token)
	if err != nil {
		return err
	}
	w.token = token.Token
	for next := ""; len(w.users) < users; {
		var page struct {
			Data struct {
				OpenID []string `json:"openid"`
			} `json:"data"`
			Next string `json:"next_openid"`
		}
		if err := fetch(w.url+"/cgi-bin/user/get?access_token="+w.token+"&next_openid="+next, &page); err != nil {
			return err
		}
		if len(page.Data.OpenID) == 0 {
			return fmt.Errorf("%d of %d followers are listed", len(w.users), users)
		}
		w.users, next = append(w.users, page.Data.OpenID...), page.Next
	}
	return nil
}

func fetch(url string, out any) error {
	answer, err := http.Get(url) //nolint:gosec // the bench's own sandbox
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	return json.NewDecoder(answer.Body).Decode(out)
}

func post(url, body string, out any) error {
	answer, err := http.Post(url, "application/json", strings.NewReader(body)) //nolint:gosec // the bench's own sandbox
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	return json.NewDecoder(answer.Body).Decode(out)
}

// bare sends a notice to each of the first n followers with nothing but net/http and
// so many workers, and returns how long it took.
func (w *outsideWorld) bare(n, workers int) (time.Duration, error) {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: workers, MaxConnsPerHost: workers}, Timeout: 10 * time.Second}
	defer client.CloseIdleConnections()
	data := map[string]map[string]string{}
	for name, value := range noticeFields {
		data[name] = map[string]string{"value": value}
	}
	var next atomic.Int64
	var failed atomic.Pointer[error]
	var crew sync.WaitGroup
	began := time.Now()
	for range workers {
		crew.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= n || failed.Load() != nil {
					return
				}
				if err := w.one(client, w.users[i], data); err != nil {
					failed.Store(&err)
				}
			}
		})
	}
	crew.Wait()
	if err := failed.Load(); err != nil {
		return 0, *err
	}
	return time.Since(began), nil
}

func (w *outsideWorld) one(client *http.Client, to string, data any) error {
	body, err := json.Marshal(map[string]any{"touser": to, "template_id": noticeTemplate(), "data": data, "page": "pages/index?from_push=AAAAAAAAAAAAAAAAAAAAAAAA"})
	if err != nil {
		return err
	}
	answer, err := client.Post(w.url+noticePath+"?access_token="+w.token, "application/json", bytes.NewReader(body))
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	var said struct {
		Code int `json:"errcode"`
	}
	if err := json.NewDecoder(answer.Body).Decode(&said); err != nil {
		return err
	}
	if said.Code != 0 {
		return fmt.Errorf("errcode %d", said.Code)
	}
	return nil
}
