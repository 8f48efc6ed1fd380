// Package handler is HTTP in and HTTP out: it decodes, calls one method and
// answers. Every URL is on this page.
package handler

import (
	"log/slog"
	"net/http"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"kaimenhong/model/fault"
)

// Handlers are the domains' handlers; Routes gives them their URLs.
type Handlers struct {
	Health Health
	WeChat *WeChat

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
	return r, nil
}
