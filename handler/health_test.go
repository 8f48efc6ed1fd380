package handler_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/gin-gonic/gin"

	"kaimenhong/handler"
)

func TestAStoreThatHangsIsNotTheOthersFault(t *testing.T) {
	hanging := make(chan struct{})
	h := handler.Health{Checks: map[string]func(context.Context) error{
		"database": func(ctx context.Context) error { // answers while the other hangs
			select {
			case <-hanging:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		},
		"redis": func(ctx context.Context) error {
			close(hanging)
			<-ctx.Done()
			return ctx.Err()
		},
	}}
	answer := httptest.NewRecorder()
	c, _ := gin.CreateTestContext(answer)
	c.Request = httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/readyz", nil)
	h.Ready(c)
	if got := answer.Body.String(); answer.Code != http.StatusServiceUnavailable || got != `{"database":"ok","redis":"down"}` {
		t.Errorf("readiness beside a Redis that hangs: %d %s, want the database ok", answer.Code, got)
	}
}
