package handler

import (
	"context"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"kaimenhong/model"
)

// readyTimeout bounds how long readiness waits for the stores.
const readyTimeout = 2 * time.Second

// Health tells an orchestrator whether the process lives and whether it can serve.
type Health struct {
	// Checks name what the process needs to serve: "database", "redis".
	Checks map[string]func(ctx context.Context) error
}

// Live answers 200 as long as the process answers at all.
func (h Health) Live(c *gin.Context) { c.JSON(http.StatusOK, gin.H{"status": "ok"}) }

// Ready answers 200 when every check passes and 503, naming the ones that do not,
// otherwise.
func (h Health) Ready(c *gin.Context) {
	ctx, cancel := context.WithTimeout(c.Request.Context(), readyTimeout)
	defer cancel()
	type answer struct {
		name string
		err  error
	}
	answers := make(chan answer, len(h.Checks))
	for name, check := range h.Checks { // beside each other: one that hangs leaves the others their time
		go func() { answers <- answer{name, model.Guarded(func() error { return check(ctx) })} }()
	}
	status, states := http.StatusOK, gin.H{}
	for range h.Checks {
		a := <-answers
		states[a.name] = "ok"
		if a.err != nil {
			status, states[a.name] = http.StatusServiceUnavailable, "down"
		}
	}
	c.JSON(status, states)
}
