// Package handler is HTTP in and HTTP out: it decodes, calls one method and
// answers. Every URL is on this page.
package handler

import (
	"errors"
	"log/slog"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/otel/trace"

	"kaimenhong/model/fault"
)

// Handlers are the domains' handlers; Routes gives them their URLs.
type Handlers struct {
	Health    Health
	WeChat    *WeChat
	Mini      *WeChat // of the mini-program; nil: it pushes nothing
	Gate      Gate
	Session   Session
	Me        Me
	Redpacket Redpacket
	Account   Account
	Points    Points
	Mall      Mall
	Rights    Rights
	Complaint Complaint
	Material  Material
	Tap       Tap
	OpsGame   OpsGame
	OpsDraft  OpsDraft
	OpsChat   OpsChat

	OpsGate      OpsGate
	OpsSession   OpsSession
	OpsOperator  OpsOperator
	OpsAudience  OpsAudience
	OpsPush      OpsPush
	OpsMall      OpsMall
	OpsPoints    OpsPoints
	OpsCampaign  OpsCampaign
	OpsRehearsal OpsRehearsal
	OpsReport    OpsReport

	TrustedProxies []string
	Log            *slog.Logger
	Registry       *prometheus.Registry
	Tracer         trace.Tracer // nil: nothing is traced
}

var (
	errNoRoute  = fault.New(fault.NotFound, "route.unknown", "没有这个地址")
	errNoMethod = fault.New(fault.Invalid, codeMethod, "这个地址不支持这种请求方法")
)

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
	r.Use(name, observed(h.Registry, h.Log))
	if h.Tracer != nil {
		r.Use(traced(h.Tracer))
	}
	r.Use(recovered(h.Log))
	r.NoRoute(func(c *gin.Context) { fail(c, h.Log, errNoRoute) })
	r.NoMethod(func(c *gin.Context) { fail(c, h.Log, errNoMethod) })

	r.GET("/healthz", h.Health.Live)
	r.GET("/readyz", h.Health.Ready)
	r.GET("/metrics", gin.WrapH(promhttp.HandlerFor(h.Registry, promhttp.HandlerOpts{})))

	// WeChat's server calls these; the codec verifies each call.
	r.GET("/wechat/callback", h.WeChat.Echo)
	r.POST("/wechat/callback", h.WeChat.Callback)
	if h.Mini != nil {
		r.GET("/wechat/mini/callback", h.Mini.Echo)
		r.POST("/wechat/mini/callback", h.Mini.Callback)
	}

	// The mini-program's API, and the page that describes it.
	api := newAPI(r, h.Gate)
	h.operations(api)

	// The operators' API has a page of its own; its operations are in ops_routes.go.
	ops := newOps(r, h.OpsGate)
	h.ops(ops)
	return r, errors.Join(docs(r, api, ""), docs(r, ops, "/ops"))
}

// operations are those of the mini-program's API, under /api/v1. A write needs an
// Idempotency-Key, and all but the public ones an access token.
func (h Handlers) operations(api huma.API) {
	register(api, operation{method: "POST", path: "/session", id: "openSession", summary: "登录", public: true, errors: []int{401}}, h.Session.Open)
	register(api, operation{method: "POST", path: "/session/refresh", id: "refreshSession", summary: "刷新登录", public: true, errors: []int{401}}, h.Session.Refresh)
	register(api, operation{method: "POST", path: "/session/phone", id: "bindPhone", summary: "一键绑定手机号"}, h.Session.BindPhone)
	register(api, operation{method: "DELETE", path: "/session", id: "endSession", summary: "退出登录", ends: true}, h.Session.End)

	register(api, operation{method: "GET", path: "/me", id: "getMe", summary: "首页：余额、余量、套餐、积分、未读"}, h.Me.Me)
	register(api, operation{method: "GET", path: "/me/bills", id: "listBills", summary: "账单", errors: []int{409}}, h.Account.Bills)
	register(api, operation{method: "GET", path: "/me/usage", id: "getUsage", summary: "每日用量", errors: []int{409}}, h.Account.Usage)
	register(api, operation{method: "GET", path: "/me/services", id: "listServices", summary: "已订套餐与业务", errors: []int{409}}, h.Account.Services)
	register(api, operation{method: "GET", path: "/me/export", id: "exportMe", summary: "导出我的全部数据"}, h.Rights.Export)
	register(api, operation{method: "DELETE", path: "/me", id: "closeMe", summary: "注销账户", ends: true}, h.Rights.Close)
	register(api, operation{method: "GET", path: "/notices", id: "listNotices", summary: "消息"}, h.Rights.ListNotices)
	register(api, operation{method: "POST", path: "/notices/read", id: "readNotices", summary: "标记已读"}, h.Rights.MarkRead)

	register(api, operation{method: "GET", path: "/points", id: "getPoints", summary: "积分余额"}, h.Points.Balance)
	register(api, operation{method: "GET", path: "/points/entries", id: "listPointsEntries", summary: "积分明细"}, h.Points.Entries)
	register(api, operation{method: "GET", path: "/points/lots", id: "listPointsLots", summary: "积分批次与有效期"}, h.Points.Lots)
	register(api, operation{method: "POST", path: "/points/sign-in", id: "signIn", summary: "签到"}, h.Points.SignIn)

	register(api, operation{method: "GET", path: "/gifts", id: "listGifts", summary: "礼品"}, h.Mall.Gifts)
	register(api, operation{method: "GET", path: "/gift-categories", id: "listGiftCategories", summary: "礼品分类"}, h.Mall.Categories)
	register(api, operation{method: "GET", path: "/gifts/{id}", id: "getGift", summary: "礼品详情", errors: []int{404}}, h.Mall.Gift)
	register(api, operation{method: "POST", path: "/redemptions", id: "redeem", summary: "兑换", status: http.StatusCreated, errors: []int{404}}, h.Mall.Redeem)
	register(api, operation{method: "GET", path: "/redemptions", id: "listRedemptions", summary: "我的兑换"}, h.Mall.List)
	register(api, operation{method: "GET", path: "/redemptions/{id}", id: "getRedemption", summary: "兑换详情", errors: []int{404}}, h.Mall.Get)
	register(api, operation{method: "POST", path: "/redemptions/{id}/cancel", id: "cancelRedemption", summary: "取消兑换", errors: []int{404}}, h.Mall.Cancel)

	register(api, operation{method: "GET", path: "/consents", id: "getConsents", summary: "授权情况"}, h.Rights.Read)
	register(api, operation{method: "PUT", path: "/consents", id: "putConsents", summary: "答复授权"}, h.Rights.Decide)
	register(api, operation{method: "POST", path: "/subscriptions", id: "subscribe", summary: "上报订阅消息授权"}, h.Rights.Subscribe)

	register(api, operation{method: "GET", path: "/campaigns", id: "listCampaigns", summary: "进行中的红包活动"}, h.Redpacket.Campaigns)
	register(api, operation{method: "GET", path: "/campaigns/{id}", id: "getCampaign", summary: "活动与完整规则", errors: []int{404}}, h.Redpacket.Campaign)
	register(api, operation{method: "GET", path: "/campaigns/{id}/leaderboard", id: "getLeaderboard", summary: "排行榜", errors: []int{404}}, h.Redpacket.Leaderboard)
	register(api, operation{method: "POST", path: "/campaigns/{id}/pots", id: "openPot", summary: "开启红包", status: 201, errors: []int{403, 404}}, h.Redpacket.Open)
	register(api, operation{method: "GET", path: "/pots/{id}", id: "getPot", summary: "红包进度", errors: []int{404}}, h.Redpacket.Pot)
	register(api, operation{method: "POST", path: "/pots/{id}/helps", id: "helpPot", summary: "助力", status: 201, errors: []int{403, 404}}, h.Redpacket.Help)
	register(api, operation{method: "POST", path: "/pots/{id}/claim", id: "claimPot", summary: "领取奖品", status: 200, errors: []int{404}}, h.Redpacket.Claim)
	register(api, operation{method: "GET", path: "/pots/{id}/proof", id: "getProof", summary: "公平性证明", errors: []int{404}}, h.Redpacket.Proof)
	register(api, operation{method: "POST", path: "/complaints", id: "complain", summary: "投诉红包或活动", status: http.StatusCreated}, h.Complaint.Add)
	register(api, operation{method: "POST", path: "/taps", id: "addTap", summary: "上报从推送消息进入"}, h.Tap.Add)
	register(api, operation{method: "GET", path: "/me/pots", id: "listMyPots", summary: "我开启的红包"}, h.Redpacket.MyPots)
	register(api, operation{method: "GET", path: "/me/helps", id: "listMyHelps", summary: "我助力的红包"}, h.Redpacket.MyHelps)
}
