package handler

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gin-gonic/gin"

	"kaimenhong/model/fault"
	"kaimenhong/service/member"
	"kaimenhong/service/session"
)

// problem is the answer to a request that failed, RFC 9457. Code is stable and for
// programs, Detail is for the reader, in Chinese.
type problem struct {
	Type      string         `json:"type" doc:"about:blank"`
	Title     string         `json:"title" doc:"HTTP 状态的名称"`
	Status    int            `json:"status" doc:"HTTP 状态码"`
	Code      string         `json:"code" doc:"稳定的错误代码，供程序判断" example:"points.insufficient"`
	Detail    string         `json:"detail" doc:"可直接展示给用户的说明"`
	RequestID string         `json:"requestId,omitempty" doc:"请求编号，报障时提供"`
	Fields    []problemField `json:"fields,omitempty" doc:"哪些字段不正确"`
}

// problemField says what is wrong with one field.
type problemField struct {
	Field  string `json:"field" doc:"位置" example:"body.code"`
	Detail string `json:"detail" doc:"要求"`
}

const problemType = "application/problem+json"

// Error, GetStatus and ContentType make a problem an answer of huma.
func (p *problem) Error() string             { return p.Code + ": " + p.Detail }
func (p *problem) GetStatus() int            { return p.Status }
func (p *problem) ContentType(string) string { return problemType }

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

// The codes that this package gives, and answers with a status of their own.
const (
	codeInvalid  = "request.invalid"
	codeTooLarge = "request.too_large"
	codeMethod   = "route.method"
)

// statusOf is the fault's status: a key that was used for something else is 422,
// whichever domain noticed.
func statusOf(f *fault.Error) int {
	switch {
	case strings.HasSuffix(f.Code, "request_reused"), f.Code == "request.reused":
		return http.StatusUnprocessableEntity
	case f.Code == codeTooLarge:
		return http.StatusRequestEntityTooLarge
	case f.Code == codeMethod:
		return http.StatusMethodNotAllowed
	}
	return statuses[f.Kind]
}

// newProblem words an error and logs what is ours to mend.
func newProblem(ctx context.Context, log *slog.Logger, err error, request, route string) *problem {
	f := fault.Of(err)
	status := statusOf(f)
	if status >= http.StatusInternalServerError {
		log.ErrorContext(ctx, "request failed", "route", route, "code", f.Code, "error", err)
	}
	return &problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Code: f.Code, Detail: f.Text, RequestID: request}
}

// fail answers an error as problem+json and logs what is ours to mend.
func fail(c *gin.Context, log *slog.Logger, err error) {
	p := newProblem(c.Request.Context(), log, err, requestID(c), c.FullPath())
	body, marshalErr := json.Marshal(p)
	if marshalErr != nil {
		c.AbortWithStatus(http.StatusInternalServerError)
		return
	}
	c.Header("Cache-Control", "no-store")
	c.Abort()
	c.Data(p.Status, problemType, body)
}

// refuse answers an error before an operation runs.
func refuse(ctx huma.Context, err error) {
	c := callOf(ctx.Context())
	p := newProblem(ctx.Context(), c.log, err, c.request, c.route)
	body, marshalErr := json.Marshal(p)
	if marshalErr != nil {
		ctx.SetStatus(http.StatusInternalServerError)
		return
	}
	ctx.SetHeader("Content-Type", problemType)
	ctx.SetStatus(p.Status)
	if _, err := ctx.BodyWriter().Write(body); err != nil {
		c.log.DebugContext(ctx.Context(), "client went away", "error", err)
	}
}

// huma asks these two for every error: its own about the form of a request, and the
// faults that operations return. They are variables of the library, so they are set
// once, before anything is registered.
func init() {
	huma.NewError = func(status int, text string, errs ...error) huma.StatusError {
		return problemOf(context.Background(), status, text, errs)
	}
	huma.NewErrorWithContext = func(ctx huma.Context, status int, text string, errs ...error) huma.StatusError {
		return problemOf(ctx.Context(), status, text, errs)
	}
}

func problemOf(ctx context.Context, status int, text string, errs []error) *problem {
	c := callOf(ctx)
	if status >= http.StatusInternalServerError {
		err := errors.Join(append(errs, errUnexpected(text))...)
		if errors.Is(err, member.ErrUnknown) { // of a token that is still good for seconds: he closed his account
			err = session.ErrEnded.With(err)
		}
		return newProblem(ctx, c.log, err, c.request, c.route)
	}
	p := &problem{Type: "about:blank", Status: status, Code: codeInvalid, Detail: "请求内容不正确", RequestID: c.request}
	switch status {
	case http.StatusUnprocessableEntity, http.StatusBadRequest: // huma's words for a form that is wrong
		p.Status = http.StatusBadRequest
		p.Fields = fieldsOf(text, errs)
	case http.StatusRequestEntityTooLarge:
		p.Code, p.Detail = codeTooLarge, errTooLarge.Text
	case http.StatusUnsupportedMediaType:
		p.Code, p.Detail = "request.content_type", "请使用 application/json"
	case http.StatusNotAcceptable:
		p.Code, p.Detail = "request.accept", "只能返回 application/json"
	}
	p.Title = http.StatusText(p.Status)
	return p
}

// errUnexpected is what huma says beside an error that an operation returned.
type errUnexpected string

func (e errUnexpected) Error() string { return string(e) }
