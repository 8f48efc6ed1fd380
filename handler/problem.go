package handler

import (
	"encoding/json"
	"log/slog"
	"net/http"

	"github.com/gin-gonic/gin"

	"kaimenhong/model/fault"
)

// problem is the answer to a request that failed, RFC 9457. Code is stable and for
// programs, Detail is for the reader, in Chinese.
type problem struct {
	Type      string `json:"type"`
	Title     string `json:"title"`
	Status    int    `json:"status"`
	Code      string `json:"code"`
	Detail    string `json:"detail"`
	RequestID string `json:"requestId,omitempty"`
}

const problemType = "application/problem+json"

// statuses maps what the caller can do about an error to HTTP.
var statuses = map[fault.Kind]int{
	fault.Internal:        http.StatusInternalServerError,
	fault.Invalid:         http.StatusBadRequest,
	fault.Unauthenticated: http.StatusUnauthorized,
	fault.Forbidden:       http.StatusForbidden,
	fault.NotFound:        http.StatusNotFound,
	fault.Conflict:        http.StatusConflict,
	fault.Limited:         http.StatusTooManyRequests,
	fault.Unavailable:     http.StatusServiceUnavailable,
}

// fail answers an error as problem+json and logs what is ours to mend.
func fail(c *gin.Context, log *slog.Logger, err error) {
	f := fault.Of(err)
	status := statuses[f.Kind]
	if status >= http.StatusInternalServerError {
		log.ErrorContext(c.Request.Context(), "request failed", "requestId", requestID(c), "route", c.FullPath(), "code", f.Code, "error", err)
	}
	body, marshalErr := json.Marshal(problem{
		Type: "about:blank", Title: http.StatusText(status), Status: status, Code: f.Code, Detail: f.Text, RequestID: requestID(c),
	})
	if marshalErr != nil {
		c.AbortWithStatus(http.StatusInternalServerError)
		return
	}
	c.Header("Cache-Control", "no-store")
	c.Abort()
	c.Data(status, problemType, body)
}
