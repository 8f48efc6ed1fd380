package handler

import (
	"context"
	"crypto/sha256"
	"io"
	"log/slog"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humagin"
	"github.com/gin-gonic/gin"

	"kaimenhong/model"
	"kaimenhong/model/fault"
	"kaimenhong/service/idempotency"
	"kaimenhong/service/operator"
	"kaimenhong/service/session"
)

// apiPrefix is where the mini-program's API lies.
const apiPrefix = "/api/v1"

// maxAPIBody bounds a request of the API, in bytes.
const maxAPIBody = 64 << 10

// The headers of the API's own.
const (
	headerKey      = "Idempotency-Key"
	headerReplayed = "Idempotency-Replayed"
	headerDevice   = "X-Device-Id"
)

var errTooLarge = fault.New(fault.Invalid, codeTooLarge, "请求内容过大")

type (
	// verifier says who an access token belongs to.
	verifier interface {
		Verify(ctx context.Context, token string) (session.Identity, error)
		VerifyEnded(ctx context.Context, token string) (session.Identity, error)
	}
	// keeper gives the repeat of a write the answer of the first try.
	keeper interface {
		Do(ctx context.Context, r idempotency.Request, run func(context.Context) idempotency.Answer) (idempotency.Answer, bool, error)
		Answered(ctx context.Context, r idempotency.Request) (idempotency.Answer, bool, error)
	}
)

// Gate stands before every operation of the API: who asks, and whether he asked the
// same before.
type Gate struct {
	Sessions verifier
	Requests keeper
	Log      *slog.Logger
}

// call is one request on its way through the gate.
type call struct {
	who     session.Identity  // of the members' API
	worker  operator.Operator // of the operators' API
	places  places            // where people live, of the operators' API
	token   string            // his session's
	file    *http.Request     // whose body is a file
	request string            // its X-Request-Id
	address string            // of the client; with device what speed limits count
	device  string
	route   string
	log     *slog.Logger
}

type callKey struct{}

// callOf finds the call within a context.
func callOf(ctx context.Context) call {
	c, ok := ctx.Value(callKey{}).(call)
	if !ok {
		return call{log: slog.New(slog.DiscardHandler)}
	}
	return c
}

// memberOf is the member who asks; the gate has made sure that there is one.
func memberOf(ctx context.Context) model.MemberID { return callOf(ctx).who.Member }

// newAPI makes the API on the engine; its description is generated from the Go types
// of the operations.
func newAPI(r *gin.Engine, gate Gate) huma.API {
	cfg := huma.DefaultConfig("开门红小程序接口", "1")
	cfg.Info.Description = "金额单位为分，时间为 RFC 3339（+08:00），编号为字符串。所有写操作都要带 Idempotency-Key。"
	cfg.DocsPath, cfg.OpenAPIPath, cfg.SchemasPath = "", "", "" // served by our own page
	cfg.CreateHooks = nil                                       // no $schema in answers
	cfg.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		"bearer": {Type: "http", Scheme: "bearer", BearerFormat: "JWT", Description: "POST /session 返回的 accessToken"},
	}
	api := humagin.New(r, cfg)
	api.UseMiddleware(gate.enter)
	return api
}

// bearer marks an operation that needs a member.
var bearer = []map[string][]string{{"bearer": {}}}

// endsSession marks, in an operation's metadata, one after which its own token is
// refused: its repeat is answered from what was kept.
const endsSession = "endsSession"

// operation describes one of the API's operations.
type operation struct {
	method, path, id, summary string
	public                    bool
	ends                      bool
	status                    int
	errors                    []int
}

// register adds an operation. Handlers are methods that decode nothing and answer
// with a value or a fault.
func register[I, O any](api huma.API, o operation, run func(context.Context, *I) (*O, error)) {
	op := huma.Operation{
		Method: o.method, Path: apiPrefix + o.path, OperationID: o.id, Summary: o.summary, DefaultStatus: o.status,
		Tags: []string{strings.SplitN(strings.TrimPrefix(o.path, "/"), "/", 2)[0]}, MaxBodyBytes: maxAPIBody,
		Errors:                       append([]int{http.StatusBadRequest, http.StatusInternalServerError, http.StatusServiceUnavailable}, o.errors...),
		RejectUnknownQueryParameters: true, Metadata: map[string]any{endsSession: o.ends},
	}
	if !o.public {
		op.Security = bearer
		op.Errors = append(op.Errors, http.StatusUnauthorized)
	}
	if writes(o.method) {
		op.Errors = append(op.Errors, http.StatusConflict, http.StatusUnprocessableEntity, http.StatusTooManyRequests, http.StatusRequestEntityTooLarge)
	}
	huma.Register(api, op, run)
}

func writes(method string) bool { return method != http.MethodGet && method != http.MethodHead }

// enter finds out who asks and gives the repeat of a write its first answer.
func (g Gate) enter(ctx huma.Context, next func(huma.Context)) {
	op := ctx.Operation()
	from := humagin.Unwrap(ctx)
	c := call{request: requestID(from), address: from.ClientIP(), device: deviceOf(ctx), route: op.Method + " " + op.Path, log: g.Log}
	ctx = huma.WithValue(ctx, callKey{}, c)
	ctx.SetHeader("Cache-Control", "no-store")
	if len(op.Security) > 0 {
		who, err := g.identify(ctx, op.Metadata[endsSession] == true)
		if err != nil {
			refuse(ctx, err)
			return
		}
		c.who = who
		ctx = huma.WithValue(ctx, callKey{}, c)
	}
	if !writes(op.Method) {
		next(ctx)
		return
	}
	g.write(ctx, c, maxAPIBody, next)
}

func (g Gate) identify(ctx huma.Context, ended bool) (session.Identity, error) {
	token := bearerOf(ctx)
	if ended {
		return g.Sessions.VerifyEnded(ctx.Context(), token)
	}
	return g.Sessions.Verify(ctx.Context(), token)
}

// bearerOf is the token that a request brings, "" for none.
func bearerOf(ctx huma.Context) string {
	scheme, token, _ := strings.Cut(ctx.Header("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return token
}

// maxDevice bounds the device's own name for itself.
const maxDevice = 64

// deviceOf is what the mini-program calls the device; anybody may say anything, so
// that it limits speed and proves nothing.
func deviceOf(ctx huma.Context) string {
	device := ctx.Header(headerDevice)
	if !model.RequestID(device).Valid() || len(device) > maxDevice {
		return ""
	}
	return device
}

// owner is whose request it is: two people may use the same key.
func (c call) owner() model.MemberID {
	if c.worker.ID != 0 {
		return model.MemberID(c.worker.ID) // ids are of one maker, so that the two never meet
	}
	return c.who.Member
}

// write runs a write once for each Idempotency-Key. limit bounds the body, in bytes.
func (g Gate) write(ctx huma.Context, c call, limit int64, next func(huma.Context)) {
	body, err := io.ReadAll(io.LimitReader(ctx.BodyReader(), limit+1))
	if err == nil && int64(len(body)) > limit {
		err = errTooLarge
	}
	if err != nil {
		refuse(ctx, err)
		return
	}
	path := ctx.URL()
	r := idempotency.Request{
		Member: c.owner(), Route: c.route, Key: model.RequestID(ctx.Header(headerKey)),
		Body: sha256.Sum256([]byte(path.Path + "\n" + string(body))),
	}
	if c.who.Ended {
		a, kept, err := g.Requests.Answered(ctx.Context(), r)
		if err == nil && !kept {
			err = session.ErrEnded
		}
		g.answer(ctx, a, kept, "", err)
		return
	}
	var contentType string
	a, kept, err := g.Requests.Do(ctx.Context(), r, func(limited context.Context) idempotency.Answer {
		rec := &recorder{within: huma.WithContext(ctx, limited), in: body}
		next(rec)
		contentType = rec.contentType
		return idempotency.Answer{Status: rec.status, Body: rec.out.Bytes()}
	})
	g.answer(ctx, a, kept, contentType, err)
}

// answer writes what a write answered, now or the first time.
func (g Gate) answer(ctx huma.Context, a idempotency.Answer, kept bool, contentType string, err error) {
	if err != nil {
		refuse(ctx, err)
		return
	}
	if kept {
		ctx.SetHeader(headerReplayed, "true")
		if contentType = "application/json"; a.Status >= http.StatusBadRequest {
			contentType = problemType
		}
	}
	if len(a.Body) > 0 {
		ctx.SetHeader("Content-Type", contentType)
	}
	ctx.SetStatus(a.Status)
	if _, err := ctx.BodyWriter().Write(a.Body); err != nil {
		g.Log.DebugContext(ctx.Context(), "client went away", "error", err)
	}
}
