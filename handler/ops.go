package handler

import (
	"cmp"
	"context"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humagin"
	"github.com/gin-gonic/gin"

	"kaimenhong/model"
	"kaimenhong/model/fault"
	"kaimenhong/service/operator"
)

// opsPrefix is where the operators' API lies. It has a description of its own, so
// that the mini-program's tells nothing of it.
const opsPrefix = "/ops/v1"

// maxOpsBody bounds a request of the operators' API, in bytes: a segment of 200 nodes
// or an article fits.
const maxOpsBody = 256 << 10

var (
	errRight  = fault.New(fault.Forbidden, "operator.right", "您的角色没有这项权限")
	errRenew  = fault.New(fault.Forbidden, "operator.new_password", "请先设置自己的密码，再继续操作")
	errNation = fault.New(fault.Forbidden, "operator.nation", "文件可能涉及各地用户，您的账号只负责部分地区，请由不限地区的同事导入")
	errFactor = fault.New(fault.Forbidden, "operator.second_factor", "请先启用动态码，再继续操作")
)

// finder says which operator a session's token belongs to.
type finder interface {
	Find(ctx context.Context, token string) (operator.Operator, error)
}

// OpsGate stands before every operation of the operators' API: who asks, whether he
// may, and whether he asked the same before.
type OpsGate struct {
	Operators finder
	People    places
	Gate      // of writes; its sessions are not asked

	uploads chan struct{} // a place for each that is under way
}

// places knows where people live.
type places interface {
	Place(ctx context.Context, member model.MemberID) (province, city string, err error)
}

// operatorOf is the operator who asks; the gate has made sure that there is one, and
// that he has the operation's right.
func operatorOf(ctx context.Context) operator.Operator { return callOf(ctx).worker }

// newOps makes the operators' API on the engine.
func newOps(r *gin.Engine, gate OpsGate) huma.API {
	gate.uploads = make(chan struct{}, maxUploads)
	cfg := huma.DefaultConfig("开门红运营接口", "1")
	cfg.Info.Description = "金额单位为分，时间为 RFC 3339（+08:00），编号为字符串。所有写操作都要带 Idempotency-Key，每次写操作留下一条审计记录。"
	cfg.DocsPath, cfg.OpenAPIPath, cfg.SchemasPath = "", "", ""
	cfg.CreateHooks = nil
	cfg.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		"bearer": {Type: "http", Scheme: "bearer", Description: "POST /session 返回的 token"},
	}
	cfg.Components.Schemas = huma.NewMapRegistry("#/components/schemas/", opsName)
	cfg.Components.Schemas.RegisterTypeAlias(reflect.TypeFor[model.Millis](), reflect.TypeFor[time.Time]())
	api := humagin.New(r, cfg)
	api.UseMiddleware(gate.enter)
	return api
}

// opsName names a type in the description: a domain's own begins with the domain, for
// several have a Problem or a Tag.
func opsName(t reflect.Type, hint string) string {
	name := huma.DefaultSchemaNamer(t, hint)
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	if _, domain, ok := strings.Cut(t.PkgPath(), "/service/"); ok && domain != "" {
		return strings.ToUpper(domain[:1]) + domain[1:] + name
	}
	return name
}

// opsRight is where an operation's right lies in its metadata.
const opsRight = "right"

// opsAsks, opsUpload and opsNation are where it lies whether it asks, takes a file, or is
// for those alone who look after all regions.
const (
	opsAsks   = "asks"
	opsUpload = "upload"
	opsNation = "nation"
)

// opsOperation describes one of the operators' operations. One without a right is for
// whoever has no session yet.
type opsOperation struct {
	method, path, id, summary string
	right                     operator.Right
	// asks marks a POST that only asks, because what it asks is long: it needs no key
	// and leaves no line.
	asks bool
	// upload marks a POST whose body is a file: it is streamed, and known by its
	// content, so that a repeat goes on or changes nothing.
	upload bool
	// nation marks what a file says of anybody, wherever he lives: it is for operators
	// without regions alone, for it could move a person from one region to another.
	nation bool
	status int
	errors []int
	// body bounds the request, in bytes; 0 is maxOpsBody.
	body int64
}

// registerOps adds an operation, as register does for members.
func registerOps[I, O any](api huma.API, o opsOperation, run func(context.Context, *I) (*O, error)) {
	op := huma.Operation{
		Method: o.method, Path: opsPrefix + o.path, OperationID: o.id, Summary: o.summary, DefaultStatus: o.status,
		Tags: []string{strings.SplitN(strings.TrimPrefix(o.path, "/"), "/", 2)[0]}, MaxBodyBytes: cmp.Or(o.body, maxOpsBody),
		Errors:                       append([]int{http.StatusBadRequest, http.StatusInternalServerError, http.StatusServiceUnavailable}, o.errors...),
		RejectUnknownQueryParameters: true, Metadata: map[string]any{opsRight: o.right, opsAsks: o.asks, opsUpload: o.upload, opsNation: o.nation},
	}
	if o.right != "" {
		op.Security = bearer
		op.Description = "需要权限：" + titleOf(o.right) + "（" + string(o.right) + "）"
		if o.nation {
			op.Description += "，且账号不限地区"
		}
		op.Errors = append(op.Errors, http.StatusUnauthorized, http.StatusForbidden)
	}
	if writes(o.method) && !o.asks {
		op.Errors = append(op.Errors, http.StatusConflict, http.StatusUnprocessableEntity, http.StatusTooManyRequests, http.StatusRequestEntityTooLarge)
	}
	huma.Register(api, op, run)
	if o.upload { // described afterwards, for huma would read what it knows of
		api.OpenAPI().Paths[op.Path].Post.RequestBody = multipartBody()
	}
}

// titleOf is the right's name; a right that is not in the table nobody has, so it is
// found when the application is built.
func titleOf(right operator.Right) string {
	i := slices.IndexFunc(operator.Table, func(line operator.RightInfo) bool { return line.Right == right })
	if i < 0 {
		panic("no role has the right " + string(right))
	}
	return operator.Table[i].Title
}

// enter finds out who asks, whether he has the operation's right, and gives the
// repeat of a write its first answer.
func (g OpsGate) enter(ctx huma.Context, next func(huma.Context)) {
	op := ctx.Operation()
	from := humagin.Unwrap(ctx)
	c := call{request: requestID(from), address: from.ClientIP(), route: op.Method + " " + op.Path, log: g.Log}
	ctx = huma.WithValue(ctx, callKey{}, c)
	ctx.SetHeader("Cache-Control", "no-store")
	if len(op.Security) > 0 {
		c.token = bearerOf(ctx)
		who, err := g.Operators.Find(ctx.Context(), c.token)
		if err == nil {
			err = permit(who, op.Metadata[opsRight].(operator.Right))
		}
		if err == nil && op.Metadata[opsNation] == true && len(who.Regions) > 0 {
			err = errNation
		}
		if err != nil {
			refuse(ctx, err)
			return
		}
		c.worker, c.places = who, g.People
		ctx = huma.WithValue(ctx, callKey{}, c)
	}
	asks := !writes(op.Method) || op.Metadata[opsAsks] == true
	switch {
	case op.Metadata[opsUpload] == true:
		g.upload(ctx, c, asks, next)
	case asks:
		next(ctx)
	default:
		g.write(ctx, c, op.MaxBodyBytes, func(ctx huma.Context) { g.audited(ctx, c, next) })
	}
}

func permit(who operator.Operator, right operator.Right) error {
	switch {
	case who.May(right):
		return nil
	case who.Renew:
		return errRenew
	case slices.Equal(who.Rights, []operator.Right{operator.OwnAccount}) && !who.TOTP:
		return errFactor
	}
	return errRight
}

// audited tells when a write that was done left no line in the audit: a mistake of
// ours, which tests look for and a log must not hide.
func (g OpsGate) audited(ctx huma.Context, c call, next func(huma.Context)) {
	marked, mark := operator.Marked(ctx.Context())
	within := huma.WithContext(ctx, marked)
	next(within)
	if within.Status() < http.StatusBadRequest && !mark.Made() {
		g.Log.ErrorContext(ctx.Context(), "a write left no line in the audit", "route", c.route, "requestId", c.request, "operator", c.worker.ID)
	}
}
