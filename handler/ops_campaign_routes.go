package handler

import (
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"kaimenhong/service/operator"
)

// campaigns are the operations on campaigns: the continuation of ops_routes.go.
func (h Handlers) campaigns(api huma.API) {
	c := h.OpsCampaign
	read, edit, review, run, stop := operator.ReadCampaigns, operator.EditCampaigns, operator.ReviewCampaigns, operator.RunCampaigns, operator.StopCampaigns
	const one, version = "/campaigns/{id}", "/campaigns/{id}/versions/{version}"
	missing := []int{http.StatusNotFound}
	registerOps(api, opsOperation{method: "GET", path: "/campaigns", id: "listCampaigns", summary: "活动列表", right: read}, c.List)
	registerOps(api, opsOperation{method: "POST", path: "/campaigns", id: "createCampaign", summary: "新建活动（草稿）", right: edit, status: http.StatusCreated}, c.Create)
	registerOps(api, opsOperation{method: "GET", path: "/campaign-times", id: "nextTimes", summary: "解释定时表达式，给出接下来的五次时间", right: read}, c.NextTimes)
	registerOps(api, opsOperation{method: "GET", path: one, id: "getCampaign", summary: "活动", right: read, errors: missing}, c.Get)
	registerOps(api, opsOperation{method: "GET", path: one + "/progress", id: "getCampaignProgress", summary: "进度：已推送、各种情况的人数、接下来的时间", right: read, errors: missing}, c.Progress)
	registerOps(api, opsOperation{method: "GET", path: one + "/versions", id: "listCampaignVersions", summary: "方案的各个版本", right: read, errors: missing}, c.Versions)
	registerOps(api, opsOperation{method: "POST", path: one + "/versions", id: "reviseCampaign", summary: "为生效中的活动新建版本", right: edit, status: http.StatusCreated, errors: missing}, c.Revise)
	registerOps(api, opsOperation{method: "POST", path: one + "/copy", id: "copyCampaign", summary: "复制成新活动", right: edit, status: http.StatusCreated, errors: missing}, c.Copy)
	registerOps(api, opsOperation{method: "GET", path: version, id: "getCampaignVersion", summary: "方案", right: read, errors: missing}, c.Version)
	registerOps(api, opsOperation{method: "PUT", path: version, id: "saveCampaign", summary: "保存草稿", right: edit, errors: missing}, c.Save)
	registerOps(api, opsOperation{method: "GET", path: version + "/problems", id: "listCampaignProblems", summary: "方案里的问题，每条说明怎么改", right: read, errors: missing}, c.Problems)
	registerOps(api, opsOperation{method: "GET", path: version + "/explanation", id: "explainCampaign", summary: "用文字说明方案", right: read, errors: missing}, c.Explain)
	registerOps(api, opsOperation{method: "GET", path: version + "/preview", id: "previewCampaign", summary: "某位会员将收到什么", right: read, errors: missing}, c.Preview)
	h.OpsRehearsal.operations(api)
	registerOps(api, opsOperation{method: "POST", path: version + "/submit", id: "submitCampaign", summary: "冻结人群，提交审批", right: edit, errors: missing}, c.Submit)
	registerOps(api, opsOperation{method: "POST", path: version + "/approve", id: "approveCampaign", summary: "确认人数，批准", right: review, errors: missing}, c.Approve)
	registerOps(api, opsOperation{method: "POST", path: version + "/reject", id: "rejectCampaign", summary: "退回", right: review, errors: missing}, c.Reject)
	registerOps(api, opsOperation{method: "POST", path: version + "/schedule", id: "scheduleCampaign", summary: "排期生效", right: run, errors: missing}, c.Schedule)
	registerOps(api, opsOperation{method: "POST", path: one + "/release", id: "releaseCampaign", summary: "提前结束试发，全量发送", right: run, errors: missing}, c.Release)
	registerOps(api, opsOperation{method: "POST", path: one + "/resume", id: "resumeCampaign", summary: "继续", right: run, errors: missing}, c.Resume)
	registerOps(api, opsOperation{method: "POST", path: one + "/pause", id: "pauseCampaign", summary: "暂停，五秒内生效", right: stop, errors: missing}, c.Pause)
	registerOps(api, opsOperation{method: "POST", path: one + "/kill", id: "killCampaign", summary: "终止，五秒内生效", right: stop, errors: missing}, c.Kill)
}
