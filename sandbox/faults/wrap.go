package faults

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"strconv"
	"time"
)

// Wrap returns next with a fault point before it. The same name may be wrapped
// more than once; its faults then count the calls of all. A name is written
// once, in the README's table.
func (s *Set) Wrap(name string, next http.Handler) http.Handler {
	s.declare(name)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f, ok := s.draw(name, r.URL.RequestURI())
		if !ok {
			next.ServeHTTP(w, r)
			return
		}
		if f.DelayMS > 0 && f.Kind != Late && !pause(r.Context(), f.delay()) {
			return // the caller went away
		}
		s.happen(f, w, r, next)
	})
}

func (f Fault) delay() time.Duration { return time.Duration(f.DelayMS) * time.Millisecond }

// pause waits and tells whether the context lived that long.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func (s *Set) happen(f Fault, w http.ResponseWriter, r *http.Request, next http.Handler) {
	switch f.Kind {
	case Status:
		if f.RetryAfter > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(f.RetryAfter))
		}
		http.Error(w, "fault on request", f.Status)
	case ErrCode:
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"errcode":%d,"errmsg":"fault on request"}`, f.ErrCode)
	case Reset:
		reset(w)
	case Cut:
		answer := record(next, r)
		answer.send(w, min(f.AfterBytes, answer.body.Len()))
		reset(w)
	case Late:
		s.later(f, w, r, next)
	case Duplicate:
		first, second, err := twice(r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
			return
		}
		answer := record(next, first)
		record(next, second)
		answer.send(w, answer.body.Len())
	case Garbage:
		answer := record(next, r)
		half := answer.body.Bytes()[:answer.body.Len()/2]
		answer.body = *bytes.NewBuffer(append(bytes.Clone(half), "\x00<html>502"...))
		answer.send(w, answer.body.Len())
	default: // Delay has passed already
		next.ServeHTTP(w, r)
	}
}

// later answers now and lets the effect happen after the delay, or as soon as
// the set is closed or too many wait.
func (s *Set) later(f Fault, w http.ResponseWriter, r *http.Request, next http.Handler) {
	_, kept, err := twice(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
		return
	}
	kept = kept.WithContext(context.WithoutCancel(r.Context()))
	s.mu.Lock()
	closed := s.closed
	if !closed {
		s.wait.Add(1)
	}
	s.mu.Unlock()
	select {
	case s.late <- struct{}{}:
		if closed {
			<-s.late
			record(next, kept)
			break
		}
		go func() {
			defer s.wait.Done()
			defer func() { <-s.late }()
			timer := time.NewTimer(f.delay())
			defer timer.Stop()
			select {
			case <-timer.C:
			case <-s.done:
			}
			record(next, kept)
		}()
	default:
		if !closed {
			s.wait.Done()
		}
		record(next, kept)
	}
	if f.Status == 0 {
		reset(w)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(f.Status)
	io.WriteString(w, "{}")
}

// twice reads the body and returns two requests that carry it.
func twice(r *http.Request) (first, second *http.Request, err error) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxRequest+1))
	if err != nil {
		return nil, nil, fmt.Errorf("read the request: %w", err)
	}
	if len(body) > maxRequest {
		return nil, nil, fmt.Errorf("a body above %d bytes cannot be repeated", maxRequest)
	}
	first, second = r.Clone(r.Context()), r.Clone(r.Context())
	first.Body, second.Body = io.NopCloser(bytes.NewReader(body)), io.NopCloser(bytes.NewReader(body))
	return first, second, nil
}

// reset ends the connection in the hard way: the peer reads "connection reset",
// or at least an unexpected end. It does not return where the connection cannot
// be taken over.
func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		// Without lingering, closing sends RST; an error leaves an ordinary close.
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close() // the peer learns of it in any case
}

// answer is what a handler said, kept.
type answer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

// record runs the handler without a connection. One that aborts (an inner fault
// point that resets) is recorded as a bad gateway.
func record(next http.Handler, r *http.Request) (a *answer) {
	a = &answer{header: http.Header{}, status: http.StatusOK}
	defer func() {
		switch cause := recover(); cause {
		case nil:
		case http.ErrAbortHandler:
			a.status = http.StatusBadGateway
		default:
			panic(cause)
		}
	}()
	next.ServeHTTP(a, r)
	return a
}

func (a *answer) Header() http.Header    { return a.header }
func (a *answer) WriteHeader(status int) { a.status = status }

// Write keeps at most maxResponse bytes; the sandbox answers no more.
func (a *answer) Write(p []byte) (int, error) {
	if a.body.Len()+len(p) > maxResponse {
		return 0, fmt.Errorf("an answer above %d bytes cannot be kept", maxResponse)
	}
	return a.body.Write(p)
}

// send writes the first n bytes of the answer under the length of all of them.
func (a *answer) send(w http.ResponseWriter, n int) {
	if n == 0 && a.body.Len() > 0 {
		return // cut before the head
	}
	maps.Copy(w.Header(), a.header)
	w.Header().Set("Content-Length", strconv.Itoa(a.body.Len()))
	w.WriteHeader(a.status)
	if _, err := w.Write(a.body.Bytes()[:n]); err != nil {
		return // the peer went away first
	}
	// A recorder cannot flush; what was written is there all the same.
	_ = http.NewResponseController(w).Flush()
}

// The bounds of the control's own body.
const maxControl = 64 << 10

// Control returns the handler of GET, PUT and DELETE /control/faults[/{point}].
// PUT takes one fault or a list of them and answers what stands now.
func (s *Set) Control() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /control/faults", func(w http.ResponseWriter, _ *http.Request) { s.list(w, "") })
	mux.HandleFunc("DELETE /control/faults", func(w http.ResponseWriter, _ *http.Request) {
		s.Clear()
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("GET /control/faults/{point}", func(w http.ResponseWriter, r *http.Request) { s.list(w, r.PathValue("point")) })
	mux.HandleFunc("PUT /control/faults/{point}", s.put)
	mux.HandleFunc("DELETE /control/faults/{point}", func(w http.ResponseWriter, r *http.Request) {
		if err := s.Put(r.PathValue("point")); err != nil {
			http.Error(w, err.Error(), http.StatusNotFound)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
	return mux
}

// listed is a point as the control shows it.
type listed struct {
	Point  string  `json:"point"`
	Faults []Fault `json:"faults"`
}

func (s *Set) list(w http.ResponseWriter, only string) {
	names, found := s.Points()
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	if only != "" {
		list, ok := found[only]
		if !ok {
			http.Error(w, ErrUnknownPoint.Error(), http.StatusNotFound)
			return
		}
		writeJSON(w, listed{only, append([]Fault{}, list...)})
		return
	}
	all := make([]listed, 0, len(names))
	for _, name := range names {
		all = append(all, listed{name, append([]Fault{}, found[name]...)})
	}
	writeJSON(w, map[string]any{"points": all})
}

// writeJSON sends v; it can fail only when the reader has gone.
func writeJSON(w io.Writer, v any) { _ = json.NewEncoder(w).Encode(v) }

func (s *Set) put(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxControl))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	list, err := readFaults(body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	name := r.PathValue("point")
	names, found := s.Points()
	if _, ok := found[name]; !ok {
		http.Error(w, fmt.Sprintf("%v: %q; there are %v", ErrUnknownPoint, name, names), http.StatusNotFound)
		return
	}
	if err := s.Put(name, list...); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	s.list(w, name)
}

// readFaults reads one fault or a list; an unknown field is a mistake worth
// telling.
func readFaults(body []byte) ([]Fault, error) {
	body = bytes.TrimSpace(body)
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if bytes.HasPrefix(body, []byte("[")) {
		var list []Fault
		err := d.Decode(&list)
		return list, err
	}
	var one Fault
	err := d.Decode(&one)
	return []Fault{one}, err
}
