package faults_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"kaimenhong/sandbox/faults"
)

// counted is a server whose effect is a number and whose answer is "effect".
func counted(t *testing.T, s *faults.Set) (*httptest.Server, *atomic.Int64) {
	t.Helper()
	var effects atomic.Int64
	point := s.Wrap("x.send", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if body, err := io.ReadAll(r.Body); err != nil || string(body) != "body" {
			t.Errorf("the handler read %q, %v", body, err)
		}
		effects.Add(1)
		io.WriteString(w, "effect")
	}))
	mux := http.NewServeMux()
	mux.Handle("/control/", s.Control())
	mux.Handle("/", point)
	srv := httptest.NewServer(mux)
	t.Cleanup(func() { srv.Close(); s.Close() })
	return srv, &effects
}

// call posts once, without the transport's own repeats, and reads the answer.
func call(t *testing.T, srv *httptest.Server) (status int, body string, err error) {
	t.Helper()
	res, err := srv.Client().Post(srv.URL+"/send?a=1", "text/plain", strings.NewReader("body"))
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	return res.StatusCode, string(raw), err
}

func TestEachKindDoesWhatItSays(t *testing.T) {
	for _, tt := range []struct {
		name, put string
		status    int
		body      string
		fails     bool
		effects   int64
	}{
		{"nothing", ``, 200, "effect", false, 1},
		{"delay is slow and whole", `{"kind":"delay","delayMs":1}`, 200, "effect", false, 1},
		{"status has no effect", `{"kind":"status","status":429,"retryAfter":7}`, 429, "fault on request\n", false, 0},
		{"errcode has no effect", `{"kind":"errcode","errcode":45009}`, 200, `{"errcode":45009,"errmsg":"fault on request"}`, false, 0},
		{"reset has no effect and no answer", `{"kind":"reset"}`, 0, "", true, 0},
		{"cut has the effect and no answer", `{"kind":"cut"}`, 0, "", true, 1},
		{"cut after three bytes", `{"kind":"cut","afterBytes":3}`, 200, "eff", true, 1},
		{"duplicate has it twice", `{"kind":"duplicate"}`, 200, "effect", false, 2},
		{"garbage has it", `{"kind":"garbage"}`, 200, "eff\x00<html>502", false, 1},
		{"another path is spared", `{"kind":"reset","match":"a=2"}`, 200, "effect", false, 1},
		{"the first calls are spared", `{"kind":"reset","skip":1}`, 200, "effect", false, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			srv, effects := counted(t, faults.New(1))
			put(t, srv, "x.send", tt.put)
			status, body, err := call(t, srv)
			if status != tt.status || body != tt.body || (err != nil) != tt.fails {
				t.Errorf("call = %d %q, %v, want %d %q, fails %v", status, body, err, tt.status, tt.body, tt.fails)
			}
			if got := effects.Load(); got != tt.effects {
				t.Errorf("%d effects, want %d", got, tt.effects)
			}
		})
	}
}

// put sets a fault by HTTP; an empty body sets none.
func put(t *testing.T, srv *httptest.Server, point, body string) {
	t.Helper()
	if body == "" {
		return
	}
	if status, answer := control(t, srv, http.MethodPut, "/"+point, body); status != 200 {
		t.Fatalf("PUT = %d %s", status, answer)
	}
}

func control(t *testing.T, srv *httptest.Server, method, path, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, srv.URL+"/control/faults"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	res, err := srv.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(raw)
}

func TestALateEffectHappensLaterAndOnce(t *testing.T) {
	for _, tt := range []struct {
		name  string
		fault faults.Fault
		fails bool
	}{
		{"accepted by its status", faults.Fault{Kind: faults.Late, DelayMS: time.Minute.Milliseconds(), Status: 202}, false},
		{"unknown to the caller", faults.Fault{Kind: faults.Late, DelayMS: time.Minute.Milliseconds()}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := faults.New(1)
			srv, effects := counted(t, s)
			if err := s.Put("x.send", tt.fault); err != nil {
				t.Fatal(err)
			}
			if status, _, err := call(t, srv); (err != nil) != tt.fails || !tt.fails && status != 202 {
				t.Fatalf("call = %d, %v", status, err)
			}
			if got := effects.Load(); got != 0 {
				t.Fatalf("%d effects before its time, want 0", got)
			}
			s.Close() // what was accepted still happens
			if got := effects.Load(); got != 1 {
				t.Fatalf("%d effects after closing, want 1", got)
			}
			if _, _, err := call(t, srv); (err != nil) != tt.fails {
				t.Fatal(err)
			}
			if got := effects.Load(); got != 2 {
				t.Fatalf("%d effects of a call after closing, want 2", got)
			}
		})
	}
}

func TestAFaultIsCountedDrawnBySeedAndInheritedFromTheParent(t *testing.T) {
	run := func(seed uint64) string {
		s := faults.New(seed)
		srv, _ := counted(t, s)
		put(t, srv, "x", `[{"kind":"status","status":500,"probability":0.5,"count":8}]`)
		var history strings.Builder
		hits := 0
		for range 64 {
			status, _, err := call(t, srv)
			if err != nil {
				t.Fatal(err)
			}
			if status == 500 {
				hits++
				history.WriteByte('x')
			} else {
				history.WriteByte('.')
			}
		}
		if hits != 8 {
			t.Errorf("%d hits, want the count of 8", hits)
		}
		return history.String()
	}
	if a, b := run(7), run(7); a != b {
		t.Errorf("the same seed gave\n%s\n%s", a, b)
	}
	if a, b := run(7), run(8); a == b {
		t.Errorf("two seeds gave both %s", a)
	}
}

func TestTheControlRefusesWhatIsOutOfRange(t *testing.T) {
	s := faults.New(1)
	srv, _ := counted(t, s)
	for _, tt := range []struct {
		name, method, path, body string
		status                   int
		says                     string
	}{
		{"no such kind", "PUT", "/x.send", `{"kind":"explode"}`, 400, "explode"},
		{"no such field", "PUT", "/x.send", `{"kind":"reset","often":1}`, 400, "often"},
		{"no such point", "PUT", "/x.sent", `{"kind":"reset"}`, 404, "x.send"},
		{"not JSON", "PUT", "/x.send", `reset`, 400, "invalid"},
		{"too large", "PUT", "/x.send", `{"kind":"` + strings.Repeat("a", 70<<10) + `"}`, 400, "too large"},
		{"a probability above 1", "PUT", "/x.send", `{"kind":"reset","probability":1.1}`, 400, "probability"},
		{"a delay without a length", "PUT", "/x.send", `{"kind":"delay"}`, 400, "delayMs"},
		{"a delay above the limit", "PUT", "/x.send", `{"kind":"delay","delayMs":600001}`, 400, "600000"},
		{"a negative count", "PUT", "/x.send", `{"kind":"reset","count":-1}`, 400, "negative"},
		{"a status that is none", "PUT", "/x.send", `{"kind":"status","status":99}`, 400, "200"},
		{"a list is taken", "PUT", "/x.send", `[{"kind":"reset"},{"kind":"delay","delayMs":5}]`, 200, `"delayMs":5`},
		{"and shown", "GET", "", ``, 200, `{"point":"x.send","faults":[{"kind":"reset"`},
		{"alone too", "GET", "/x.send", ``, 200, `"kind":"reset"`},
		{"an unknown point is not shown", "GET", "/y", ``, 404, "no such"},
		{"and taken away", "DELETE", "/x.send", ``, 204, ""},
		{"not from an unknown point", "DELETE", "/y", ``, 404, "no such"},
		{"nothing is left", "GET", "/x.send", ``, 200, `"faults":[]`},
		{"all of them at once", "DELETE", "", ``, 204, ""},
	} {
		status, answer := control(t, srv, tt.method, tt.path, tt.body)
		if status != tt.status || !strings.Contains(answer, tt.says) {
			t.Errorf("%s: %s %s = %d %s, want %d and %q", tt.name, tt.method, tt.path, status, answer, tt.status, tt.says)
		}
	}
	if err := s.Put("nowhere", faults.Fault{Kind: faults.Reset}); !errors.Is(err, faults.ErrUnknownPoint) {
		t.Errorf("Put at an unknown point = %v, want ErrUnknownPoint", err)
	}
}

func TestAPointWithinAPointMayResetToo(t *testing.T) {
	s := faults.New(1)
	inner := s.Wrap("x.inner", http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	srv := httptest.NewServer(s.Wrap("x.outer", inner))
	t.Cleanup(func() { srv.Close(); s.Close() })
	for point, kind := range map[string]faults.Kind{"x.inner": faults.Reset, "x.outer": faults.Duplicate} {
		if err := s.Put(point, faults.Fault{Kind: kind}); err != nil {
			t.Fatal(err)
		}
	}
	if status, _, err := call(t, srv); status != http.StatusBadGateway {
		t.Errorf("call = %d, %v, want 502", status, err)
	}
}
