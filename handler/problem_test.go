package handler

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

func TestABodyThatIsNotThereIsNamed(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	r, err := Routes(Handlers{OpsGate: OpsGate{Operators: badges{}, Gate: Gate{Requests: forgetful{}, Log: log}}, Log: log, Registry: prometheus.NewRegistry()})
	if err != nil {
		t.Fatal(err)
	}
	for body, want := range map[string]problemField{
		"":     {"body", "缺少请求内容"},
		"{":    {"body", "请求内容不是完整的JSON"},
		"{,}":  {"body", "请求内容不是正确的JSON"},
		"null": {"body", "应为对象"},
		"{}":   {"body", "缺少字段 username"},
	} {
		request := httptest.NewRequest(http.MethodPost, opsPrefix+"/session", strings.NewReader(body))
		request.Header.Set("Content-Type", "application/json")
		request.Header.Set(headerKey, "k")
		recorder := httptest.NewRecorder()
		r.ServeHTTP(recorder, request)
		var p problem
		if err := json.Unmarshal(recorder.Body.Bytes(), &p); err != nil || recorder.Code != http.StatusBadRequest || !slices.Contains(p.Fields, want) {
			t.Errorf("the body %q is answered %d %s, want %+v among the fields", body, recorder.Code, recorder.Body, want)
		}
	}
}
