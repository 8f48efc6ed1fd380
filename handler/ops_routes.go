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
	registerOps(api, opsOperation{method: "PUT", path: "/me/password", id: "setPassword", summary: "更换密码", right: operator.OwnAccount}, h.OpsSession.SetPassword)

	registerOps(api, opsOperation{method: "GET", path: "/operators", id: "listOperators", summary: "账号", right: operator.ManageOperators}, h.OpsOperator.List)
	registerOps(api, opsOperation{method: "POST", path: "/operators", id: "addOperator", summary: "新建账号", right: operator.ManageOperators, status: http.StatusCreated}, h.OpsOperator.Add)
	registerOps(api, opsOperation{method: "GET", path: "/operators/{id}", id: "getOperator", summary: "账号详情", right: operator.ManageOperators, errors: []int{404}}, h.OpsOperator.Get)
	registerOps(api, opsOperation{method: "PUT", path: "/operators/{id}", id: "updateOperator", summary: "修改账号的姓名、角色、范围", right: operator.ManageOperators, errors: []int{404}}, h.OpsOperator.Update)
	registerOps(api, opsOperation{method: "POST", path: "/operators/{id}/disable", id: "disableOperator", summary: "停用账号", right: operator.ManageOperators, status: http.StatusOK, errors: []int{404}}, h.OpsOperator.Disable)
	registerOps(api, opsOperation{method: "POST", path: "/operators/{id}/enable", id: "enableOperator", summary: "启用账号", right: operator.ManageOperators, status: http.StatusOK, errors: []int{404}}, h.OpsOperator.Enable)
	registerOps(api, opsOperation{method: "POST", path: "/operators/{id}/reset", id: "resetOperator", summary: "重置密码与动态码", right: operator.ManageOperators, status: http.StatusOK, errors: []int{404}}, h.OpsOperator.Reset)
	registerOps(api, opsOperation{method: "GET", path: "/colleagues", id: "listColleagues", summary: "同事的姓名与角色：各处的操作人编号是谁", right: operator.OwnAccount}, h.OpsOperator.Colleagues)
	registerOps(api, opsOperation{method: "GET", path: "/roles", id: "listRights", summary: "权限表：哪个角色可以做什么", right: operator.OwnAccount}, h.OpsOperator.Roles)
	registerOps(api, opsOperation{method: "GET", path: "/audit", id: "listAudit", summary: "审计记录", right: operator.ReadAudit}, h.OpsOperator.Audit)
	h.crowd(api)
	h.Material.operations(api)
	h.opsPushes(api)
	h.OpsMall.operations(api)
	h.OpsPoints.operations(api)
	h.campaigns(api)
	h.OpsGame.operations(api)
	h.OpsDraft.operations(api)
	h.OpsChat.operations(api)
	h.OpsReport.operations(api)
}
