package wechat_test

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
	"kaimenhong/service/wechat"
)

// BenchmarkSend compares a customer-service message with a bare HTTP client that
// posts the same body and reads the same answer.
func BenchmarkSend(b *testing.B) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, `{"errcode":0,"errmsg":"ok","access_token":"t","expires_in":7200}`)
	}))
	b.Cleanup(server.Close)
	b.Run("client", func(b *testing.B) {
		c, err := wechat.NewClient(official, mini, dbtest.EmbeddedRedis(b), time.Now, slog.New(slog.DiscardHandler), prometheus.NewRegistry(), wechat.Options{BaseURL: server.URL})
		if err != nil {
			b.Fatal(err)
		}
		for b.Loop() {
			if err := c.SendCustom(b.Context(), "oAlice", model.Text("hi")); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("bare", func(b *testing.B) {
		for b.Loop() {
			r, err := http.Post(server.URL+"/cgi-bin/message/custom/send?access_token=t", "application/json", strings.NewReader(`{"touser":"oAlice","msgtype":"text","text":{"content":"hi"}}`))
			if err != nil {
				b.Fatal(err)
			}
			if _, err := io.ReadAll(r.Body); err != nil {
				b.Fatal(err)
			}
			_ = r.Body.Close()
		}
	})
}
