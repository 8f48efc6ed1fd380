package handler

import (
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"kaimenhong/service/operator"
)

// ops are the operations of the operators' API, under /ops/v1: the continuation of
// routes.go. All but signing in need a session and the right that is named. A write
// needs an Idempotency-Key and leaves one line in the audit.
func (h Handlers) ops(api huma.API) {
	registerOps(api, opsOperation{method: "POST", path: "/session", id: "signIn", summary: "登录", status: http.StatusCreated, errors: []int{401}}, h.OpsSession.Open)
	registerOps(api, opsOperation{method: "DELETE", path: "/session", id: "signOut", summary: "退出登录", right: operator.OwnAccount}, h.OpsSession.End)
	registerOps(api, opsOperation{method: "GET", path: "/me", id: "getMe", summary: "我的账号、权限与范围", right: operator.OwnAccount}, h.OpsSession.Me)
	registerOps(api, opsOperation{method: "POST", path: "/me/totp", id: "enrolFactor", summary: "申请动态码", right: operator.OwnAccount}, h.OpsSession.Enrol)
	registerOps(api, opsOperation{method: "POST", path: "/me/totp/activate", id: "activateFactor", summary: "启用动态码", right: operator.OwnAccount}, h.OpsSession.Activate)
}
