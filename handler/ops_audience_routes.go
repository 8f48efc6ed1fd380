package handler

import (
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"kaimenhong/service/operator"
)

// crowd are the operations about people and segments: a part of ops_routes.go.
func (h Handlers) crowd(api huma.API) {
	a := h.OpsAudience
	registerOps(api, opsOperation{method: "GET", path: "/audience/words", id: "getAudienceWords", summary: "条件可用的属性、行为与导入字段", right: operator.ReadAudience}, a.Words)
	registerOps(api, opsOperation{method: "POST", path: "/audience/imports", id: "importPeople", summary: "导入用户；重复上传同一文件会继续，或返回原结果", right: operator.ImportPeople, upload: true, nation: true, status: http.StatusOK}, a.Import)
	registerOps(api, opsOperation{method: "POST", path: "/audience/imports/check", id: "checkImport", summary: "检查要导入的文件，不保存", right: operator.ImportPeople, asks: true, upload: true, nation: true, status: http.StatusOK}, a.CheckImport)
	registerOps(api, opsOperation{method: "GET", path: "/audience/imports", id: "listImports", summary: "导入记录与进度", right: operator.ImportPeople}, a.Imports)
	registerOps(api, opsOperation{method: "GET", path: "/audience/imports/{id}", id: "getImport", summary: "一次导入的进度", right: operator.ImportPeople, errors: []int{404}}, a.GetImport)
	registerOps(api, opsOperation{method: "POST", path: "/audience/imports/{id}/pause", id: "pauseImport", summary: "暂停导入：已生效的行保留，其余等待继续", right: operator.ImportPeople, status: http.StatusOK, errors: []int{404}}, a.PauseImport)
	registerOps(api, opsOperation{method: "POST", path: "/audience/imports/{id}/resume", id: "resumeImport", summary: "继续导入：再次上传同一文件，从下一行开始", right: operator.ImportPeople, upload: true, nation: true, status: http.StatusOK, errors: []int{404}}, a.ResumeImport)
	registerOps(api, opsOperation{method: "POST", path: "/audience/imports/{id}/cancel", id: "cancelImport", summary: "取消导入：已生效的行不撤回", right: operator.ImportPeople, status: http.StatusOK, errors: []int{404}}, a.CancelImport)
	registerOps(api, opsOperation{method: "GET", path: "/audience/imports/{id}/errors", id: "listImportErrors", summary: "未导入的行", right: operator.ImportPeople, errors: []int{404}}, a.ImportErrors)
	registerOps(api, opsOperation{method: "GET", path: "/audience/imports/{id}/errors.csv", id: "getImportErrorsFile", summary: "未导入的行（CSV）", right: operator.ImportPeople, errors: []int{404}}, a.ImportErrorsFile)
	registerOps(api, opsOperation{method: "POST", path: "/audience/purchases", id: "importPurchases", summary: "导入购买记录（列：手机号、类型、金额、时间、流水号，可加产品编码；每个流水号只计一次）", right: operator.ImportPeople, upload: true, nation: true, status: http.StatusOK}, a.Purchases)
	registerOps(api, opsOperation{method: "POST", path: "/audience/purchases/check", id: "checkPurchases", summary: "检查要导入的购买记录，不保存", right: operator.ImportPeople, asks: true, upload: true, nation: true, status: http.StatusOK}, a.CheckPurchases)
	registerOps(api, opsOperation{method: "POST", path: "/audience/lists", id: "uploadList", summary: "上传名单", right: operator.ImportPeople, upload: true, status: http.StatusCreated}, a.UploadList)
	registerOps(api, opsOperation{method: "GET", path: "/audience/lists", id: "listLists", summary: "名单", right: operator.ReadAudience}, a.Lists)
	registerOps(api, opsOperation{method: "DELETE", path: "/audience/lists/{id}", id: "deleteList", summary: "删除名单；被人群使用时拒绝", right: operator.ImportPeople, errors: []int{404}}, a.DeleteList)
	registerOps(api, opsOperation{method: "GET", path: "/audience/tags", id: "listTags", summary: "标签", right: operator.ReadAudience}, a.Tags)
	registerOps(api, opsOperation{method: "POST", path: "/audience/tags", id: "tag", summary: "创建、添加或取下标签", right: operator.EditAudience, status: http.StatusOK}, a.Tag)
	registerOps(api, opsOperation{method: "DELETE", path: "/audience/tags/{id}", id: "deleteTag", summary: "删除标签并从所有用户身上取下；被人群使用时拒绝", right: operator.EditAudience, errors: []int{404}}, a.DeleteTag)

	registerOps(api, opsOperation{method: "GET", path: "/audience/segments", id: "listSegments", summary: "人群，不含已归档的", right: operator.ReadAudience}, a.Segments)
	registerOps(api, opsOperation{method: "POST", path: "/audience/segments", id: "createSegment", summary: "新建人群", right: operator.EditAudience, status: http.StatusCreated}, a.CreateSegment)
	registerOps(api, opsOperation{method: "GET", path: "/audience/segments/{id}", id: "getSegment", summary: "人群详情", right: operator.ReadAudience, errors: []int{404}}, a.Segment)
	registerOps(api, opsOperation{method: "PUT", path: "/audience/segments/{id}", id: "updateSegment", summary: "修改人群", right: operator.EditAudience, errors: []int{404}}, a.UpdateSegment)
	registerOps(api, opsOperation{method: "DELETE", path: "/audience/segments/{id}", id: "deleteSegment", summary: "删除人群；被其他人群或非草稿活动使用时拒绝", right: operator.EditAudience, errors: []int{404}}, a.DeleteSegment)
	registerOps(api, opsOperation{method: "POST", path: "/audience/segments/{id}/archive", id: "archiveSegment", summary: "归档人群：不再列出，新的人群和活动不能再用；被未归档的人群或未结束的活动使用时拒绝，重复归档原样返回", right: operator.EditAudience, status: http.StatusOK, errors: []int{404}}, a.ArchiveSegment)
	registerOps(api, opsOperation{method: "POST", path: "/audience/segments/{id}/restore", id: "restoreSegment", summary: "恢复已归档的人群；它引用的人群已归档时拒绝，未归档的原样返回", right: operator.EditAudience, status: http.StatusOK, errors: []int{404}}, a.RestoreSegment)
	registerOps(api, opsOperation{method: "POST", path: "/audience/check", id: "checkTree", summary: "检查条件，并用一句话说明", right: operator.ReadAudience, asks: true, status: http.StatusOK}, a.Check)
	registerOps(api, opsOperation{method: "POST", path: "/audience/estimate", id: "estimateTree", summary: "估算人数", right: operator.ReadAudience, asks: true, status: http.StatusOK}, a.Estimate)
	registerOps(api, opsOperation{method: "POST", path: "/audience/count", id: "countTree", summary: "精确人数", right: operator.ReadAudience, asks: true, status: http.StatusOK}, a.Count)
	registerOps(api, opsOperation{method: "POST", path: "/audience/sample", id: "sampleTree", summary: "抽样（脱敏）", right: operator.ReadPeople, asks: true, status: http.StatusOK}, a.Sample)
	registerOps(api, opsOperation{method: "POST", path: "/audience/why", id: "whyIn", summary: "某人为什么在、或不在", right: operator.ReadPeople, asks: true, status: http.StatusOK, errors: []int{404}}, a.Why)
	registerOps(api, opsOperation{method: "GET", path: "/audience/frozen", id: "listFrozen", summary: "冻结的人群", right: operator.ReadAudience}, a.Frozen)

	registerOps(api, opsOperation{method: "GET", path: "/members/{id}", id: "getPortrait", summary: "用户画像（脱敏）", right: operator.ReadPeople, errors: []int{404}}, a.Portrait)
	registerOps(api, opsOperation{method: "POST", path: "/members/search", id: "searchMember", summary: "按手机号查找（写入审计）", right: operator.ReadPeople, status: http.StatusOK, errors: []int{404}}, a.Search)
	registerOps(api, opsOperation{method: "POST", path: "/members/{id}/reveal", id: "revealMember", summary: "查看完整手机号（写入审计）", right: operator.RevealPeople, status: http.StatusOK, errors: []int{404}}, a.Reveal)
}
