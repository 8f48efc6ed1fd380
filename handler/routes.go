// Package handler is HTTP in and HTTP out: it decodes, calls one method and
// answers. Every URL is on this page.
package handler

import (
	"log/slog"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"kaimenhong/model/fault"
)

// Handlers are the domains' handlers; Routes gives them their URLs.
type Handlers struct {
	Health  Health
	WeChat  *WeChat
	Gate    Gate
	Session Session
	Me      Me

	TrustedProxies []string
	Log            *slog.Logger
	Registry       *prometheus.Registry
}

var errNoRoute = fault.New(fault.NotFound, "route.unknown", "没有这个地址")

// Routes returns the application's HTTP handler. A trusted proxy that is no
// address or network is an error.
func Routes(h Handlers) (*gin.Engine, error) {
	gin.SetMode(gin.ReleaseMode)
	r := gin.New()
	r.ContextWithFallback = true
	r.HandleMethodNotAllowed = true
	if err := r.SetTrustedProxies(h.TrustedProxies); err != nil {
		return nil, err
	}
	r.Use(name, observed(h.Registry, h.Log), recovered(h.Log))
	r.NoRoute(func(c *gin.Context) { fail(c, h.Log, errNoRoute) })
	r.NoMethod(func(c *gin.Context) { c.Status(http.StatusMethodNotAllowed) })

	r.GET("/healthz", h.Health.Live)
	r.GET("/readyz", h.Health.Ready)
	r.GET("/metrics", gin.WrapH(promhttp.HandlerFor(h.Registry, promhttp.HandlerOpts{})))

	// WeChat's server calls these; the codec verifies each call.
	r.GET("/wechat/callback", h.WeChat.Echo)
	r.POST("/wechat/callback", h.WeChat.Callback)

	// The mini-program's API, and the page that describes it.
	api := newAPI(r, h.Gate)
	h.operations(api)
	return r, docs(r, api)
}

// operations are those of the mini-program's API, under /api/v1. A write needs an
// Idempotency-Key, and all but the public ones an access token.
func (h Handlers) operations(api huma.API) {
	register(api, operation{method: "POST", path: "/session", id: "openSession", summary: "登录", public: true, errors: []int{401}}, h.Session.Open)
	register(api, operation{method: "POST", path: "/session/refresh", id: "refreshSession", summary: "刷新登录", public: true, errors: []int{401}}, h.Session.Refresh)
	register(api, operation{method: "POST", path: "/session/phone", id: "bindPhone", summary: "一键绑定手机号"}, h.Session.BindPhone)
	register(api, operation{method: "DELETE", path: "/session", id: "endSession", summary: "退出登录", ends: true}, h.Session.End)

	register(api, operation{method: "GET", path: "/me", id: "getMe", summary: "首页：余额、余量、套餐、积分、未读"}, h.Me.Me)
}
