package handler

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"

	"kaimenhong/model/fault"
)

func newRoutes(t *testing.T, checks map[string]func(context.Context) error) *gin.Engine {
	t.Helper()
	r, err := Routes(Handlers{Health: Health{Checks: checks}, Log: slog.New(slog.DiscardHandler), Registry: prometheus.NewRegistry()})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func get(t *testing.T, h http.Handler, path string, header http.Header) (*http.Response, string) {
	t.Helper()
	request := httptest.NewRequest(http.MethodGet, path, nil)
	request.Header = header
	recorder := httptest.NewRecorder()
	h.ServeHTTP(recorder, request)
	body, err := io.ReadAll(recorder.Result().Body)
	if err != nil {
		t.Fatal(err)
	}
	return recorder.Result(), string(body)
}

func TestReadyNamesWhatIsDown(t *testing.T) {
	r := newRoutes(t, map[string]func(context.Context) error{
		"database": func(context.Context) error { return nil },
		"redis":    func(context.Context) error { return errors.New("no answer from 10.0.0.1") },
	})
	response, body := get(t, r, "/readyz", nil)
	if response.StatusCode != http.StatusServiceUnavailable || body != `{"database":"ok","redis":"down"}` {
		t.Errorf("GET /readyz = %d %s, want 503 and redis down", response.StatusCode, body)
	}
	if response, _ := get(t, r, "/healthz", nil); response.StatusCode != http.StatusOK {
		t.Errorf("GET /healthz = %d, want 200", response.StatusCode)
	}
}

func TestAFaultIsAnsweredAsAProblem(t *testing.T) {
	r := newRoutes(t, nil)
	log := slog.New(slog.DiscardHandler)
	for kind, status := range statuses {
		r.GET("/fail/"+kind.String(), func(c *gin.Context) { fail(c, log, fault.New(kind, "x.y", "说明").With(errors.New("secret detail"))) })
		response, body := get(t, r, "/fail/"+kind.String(), http.Header{headerRequestID: {"abc"}})
		var p problem
		if err := json.Unmarshal([]byte(body), &p); err != nil {
			t.Fatal(err)
		}
		if response.StatusCode != status || p.Status != status || p.Code != "x.y" || p.Detail != "说明" || p.RequestID != "abc" ||
			response.Header.Get("Content-Type") != problemType || strings.Contains(body, "secret") {
			t.Errorf("%s = %d %s", kind, response.StatusCode, body)
		}
	}
}

func TestAPanicIsAnsweredAndCounted(t *testing.T) {
	r := newRoutes(t, nil)
	r.GET("/panic", func(*gin.Context) { panic("ouch") })
	response, body := get(t, r, "/panic", http.Header{headerRequestID: {strings.Repeat("x", 65)}})
	if response.StatusCode != http.StatusInternalServerError || strings.Contains(body, "ouch") || !strings.Contains(body, "internal") {
		t.Errorf("GET /panic = %d %s, want 500 that says nothing of the cause", response.StatusCode, body)
	}
	if id := response.Header.Get(headerRequestID); len(id) > maxRequestID || id == "" {
		t.Errorf("the request's id is %q, want one of our own", id)
	}
	if _, metrics := get(t, r, "/metrics", nil); !strings.Contains(metrics, `http_request_seconds_count{method="GET",route="/panic",status="500"} 1`) {
		t.Errorf("the panic was not counted:\n%s", metrics)
	}
	if response, _ := get(t, r, "/nowhere", nil); response.StatusCode != http.StatusNotFound {
		t.Errorf("GET /nowhere = %d, want 404", response.StatusCode)
	}
}

func TestAnAddressThatKnowsTheMethodNotIsAProblemToo(t *testing.T) {
	r := newRoutes(t, nil)
	request := httptest.NewRequest(http.MethodDelete, "/healthz", nil)
	recorder := httptest.NewRecorder()
	r.ServeHTTP(recorder, request)
	var p problem
	err := json.Unmarshal(recorder.Body.Bytes(), &p)
	if err != nil || recorder.Code != http.StatusMethodNotAllowed || p.Status != recorder.Code || p.Code != "route.method" || p.Detail == "" || p.RequestID == "" {
		t.Errorf("DELETE /healthz = %d %s, want 405 as a problem", recorder.Code, recorder.Body)
	}
	if said := recorder.Header().Get("Content-Type"); said != problemType {
		t.Errorf("it is %s, want %s", said, problemType)
	}
	if allow := recorder.Header().Get("Allow"); allow != http.MethodGet {
		t.Errorf("it allows %q, want %q", allow, http.MethodGet)
	}
}
