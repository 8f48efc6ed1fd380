package story_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"

	"kaimenhong/cmd/internal/app/story"
	"kaimenhong/sandbox"
	"kaimenhong/sandbox/faults"
)

func TestTheMetricsTellWhatTheAccountDoes(t *testing.T) {
	w := story.Begin(t, story.Embedded(t))
	r := w.Replica().Publishes()
	zhang := w.Person("ordinary").Follows().Bound()
	zhang.Says("查话费").Hears("话费余额")
	if _, err := w.Sandbox.WeChat.Forge(t.Context(), zhang.ID, "signature", "查话费"); err != nil {
		t.Fatal(err)
	}
	w.Settle()
	shown := r.Get("/metrics")
	for _, want := range promised(t) {
		if !strings.Contains(shown, "\n# TYPE "+want+" ") {
			t.Errorf("the runbook promises %s, /metrics has none", want)
		}
	}
	for _, want := range []string{
		`callbacks_total{outcome="answered",type="text"}`, `callbacks_total{outcome="answered",type="event.subscribe"}`, `callbacks_total{outcome="signature",type="none"}`,
		`callback_seconds_bucket{type="text"`, `chat_intents_total{intent="balance",outcome="understood"}`,
		`carrier_calls_total{call="bucket",outcome="ok"}`, `carrier_call_seconds_count{call="bucket"}`,
		`account_reads_total{kind="balance",outcome="loaded"}`, `account_reads_total{kind="balance",outcome="hit"}`,
		`inbox_messages_total{outcome="first"}`, `http_request_seconds_count{method="POST",route="/wechat/callback",status="200"}`,
	} {
		if !strings.Contains(shown, "\n"+want) {
			t.Errorf("/metrics has no %s", want)
		}
	}
}

// promised are the metrics of the runbook's table.
func promised(t *testing.T) (names []string) {
	t.Helper()
	content, err := os.ReadFile("../../../../docs/runbook/observability.md")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(content)) {
		if row, ok := strings.CutPrefix(line, "| `"); ok {
			name, _, _ := strings.Cut(row, "`")
			names = append(names, name)
		}
	}
	if len(names) < 15 {
		t.Fatalf("the runbook promises %d metrics, want its table", len(names))
	}
	return names
}

func TestEachLineOfACallbackNamesItsRequest(t *testing.T) {
	w := story.Begin(t, story.Embedded(t))
	w.Replica()
	zhang := w.Person("ordinary").Bound()
	w.Fault("carrier", faults.Fault{Kind: faults.Status, Status: 500})
	zhang.Says("查账单").Hears("没有")
	w.Fault("carrier")
	if _, err := w.Sandbox.WeChat.Forge(t.Context(), zhang.ID, "padding", "查话费"); err != nil {
		t.Fatal(err)
	}
	seen := map[any]int{}
	for _, message := range []string{"request", "callback refused", "message failed", "callback not answered"} {
		for _, line := range w.Logs.Lines(message) {
			if id, _ := line["requestId"].(string); len(id) < 8 {
				t.Errorf("a line names no request: %v", line)
			}
			seen[message]++
		}
	}
	if seen["request"] < 5 || seen["callback refused"] != 1 {
		t.Errorf("lines by event: %v, want requests and one refusal", seen)
	}
}

// collector is a receiver of OTLP over HTTP.
type collector struct {
	mu   sync.Mutex
	got  strings.Builder
	hits int
}

func (c *collector) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 16<<20))
	if err != nil || r.URL.Path != "/v1/traces" {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.hits++
	c.got.Write(body)
}

func TestATracedRequestShowsItsCallsAndNobody(t *testing.T) {
	spans := &collector{}
	server := httptest.NewServer(spans)
	defer server.Close()
	w := story.Begin(t, story.Embedded(t))
	w.Settings["TRACE_ENDPOINT"], w.Settings["TRACE_RATIO"] = server.URL+"/v1/traces", "1"
	r := w.Replica()
	zhang := w.Person("ordinary").Bound()
	zhang.Says("查话费").Hears("话费余额")
	r.Stop() // sends what is left
	spans.mu.Lock()
	defer spans.mu.Unlock()
	got := spans.got.String()
	for _, want := range []string{"kaimenhong", "POST /wechat/callback", "carrier GET", "sms POST", "http.route", "request.id"} {
		if !strings.Contains(got, want) {
			t.Errorf("%d batches of spans hold no %q", spans.hits, want)
		}
	}
	for _, private := range []string{zhang.Phone, zhang.OpenID, sandbox.DefaultAppSecret, sandbox.DefaultToken, sandbox.DefaultSMSToken, "msg_signature"} {
		if strings.Contains(got, private) {
			t.Errorf("a span holds %q", private)
		}
	}
}
