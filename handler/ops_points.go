package handler

import (
	"cmp"
	"context"
	"io"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"kaimenhong/model"
	"kaimenhong/service/operator"
	"kaimenhong/service/points"
)

// operations are the ledger's part of the operators' API.
func (h OpsPoints) operations(api huma.API) {
	read, review := operator.ReadPoints, operator.ReviewPoints
	missing := []int{404}
	registerOps(api, opsOperation{method: "GET", path: "/points/adjustments", id: "listAdjustments", summary: "人工调整，先申请的在前", right: read}, h.Adjustments)
	registerOps(api, opsOperation{method: "POST", path: "/points/adjustments", id: "adjustPoints", summary: "人工调整积分；超过限额的由另一人审批", right: operator.AdjustPoints, status: http.StatusCreated, errors: missing}, h.Adjust)
	registerOps(api, opsOperation{method: "POST", path: "/points/adjustments/{id}/approve", id: "approveAdjustment", summary: "批准调整，不能批准自己的", right: review, status: http.StatusOK, errors: missing}, h.Approve)
	registerOps(api, opsOperation{method: "POST", path: "/points/adjustments/{id}/reject", id: "rejectAdjustment", summary: "驳回调整，不能驳回自己的", right: review, status: http.StatusOK, errors: missing}, h.Reject)
	registerOps(api, opsOperation{method: "POST", path: "/points/accruals", id: "importAccruals", summary: "导入运营商的积分文件（列：流水号、手机号、积分；须填checksum）；每个流水号只计一次", right: operator.ImportPoints, upload: true, nation: true, status: http.StatusOK}, h.Import)
	registerOps(api, opsOperation{method: "GET", path: "/points/accruals/{hash}", id: "getAccruals", summary: "积分文件的结果", right: read, errors: missing}, h.File)
	registerOps(api, opsOperation{method: "GET", path: "/points/accruals/{hash}/errors", id: "listAccrualErrors", summary: "未入账的行", right: read, errors: missing}, h.FileErrors)
}

type (
	// adjuster corrects points by hand, with a second person beyond a limit.
	adjuster interface {
		Adjust(ctx context.Context, maker model.ID, member model.MemberID, amount model.Points, reason string, request model.RequestID) (points.Adjustment, error)
		Approve(ctx context.Context, id, checker model.ID) (points.Adjustment, error)
		Reject(ctx context.Context, id, checker model.ID) (points.Adjustment, error)
	}
	adjustmentBook interface {
		Adjustment(ctx context.Context, id model.ID) (points.Adjustment, error)
		Adjustments(ctx context.Context, state, cursor string, limit int) ([]points.Adjustment, string, error)
	}
	// accrualDesk takes the carrier's files of points.
	accrualDesk interface {
		Import(ctx context.Context, operator model.ID, name, checksum string, file io.Reader) (points.File, error)
		File(ctx context.Context, hash string) (points.File, error)
		FileErrors(ctx context.Context, hash, cursor string, limit int) ([]points.FileError, string, error)
	}
)

// OpsPoints is the ledger as operators work with it.
type OpsPoints struct {
	Hand   adjuster
	Book   adjustmentBook
	Files  accrualDesk
	Places placer
}

type adjustment struct {
	ID        model.ID       `json:"id"`
	MemberID  model.MemberID `json:"memberId"`
	Amount    model.Points   `json:"amount" doc:"增加为正，减少为负"`
	Reason    string         `json:"reason"`
	State     string         `json:"state" enum:"requested,posted,rejected" doc:"requested：待审批；posted：已入账；rejected：已驳回"`
	Maker     model.ID       `json:"maker" doc:"申请人"`
	Checker   *model.ID      `json:"checker,omitempty" doc:"审批人；限额内的没有"`
	CreatedAt instant        `json:"createdAt" format:"date-time"`
	DecidedAt instant        `json:"decidedAt,omitempty" format:"date-time"`
}

func newAdjustment(a points.Adjustment) adjustment {
	out := adjustment{a.ID, a.Member, a.Amount, a.Reason, a.State, a.Maker, nil, when(a.CreatedAt), when(a.DecidedAt)}
	if a.Checker != 0 {
		out.Checker = &a.Checker
	}
	return out
}

func oneAdjustment(a points.Adjustment, err error) (*oneAnswer[adjustment], error) {
	return worded(a, err, newAdjustment)
}

type adjustmentsInput struct {
	Page
	State string `query:"state" enum:"requested,posted,rejected" default:"requested"`
}

// Adjustments lists those in a state of the operator's regions, oldest first.
func (h OpsPoints) Adjustments(ctx context.Context, in *adjustmentsInput) (*listAnswer[adjustment], error) {
	page, next, err := h.Book.Adjustments(ctx, in.State, in.Cursor, in.Limit)
	if err == nil {
		page, err = visible(ctx, page, func(a points.Adjustment) model.MemberID { return a.Member })
	}
	return listed(page, next, err, newAdjustment)
}

type adjustInput struct {
	Write
	Body struct {
		Member string       `json:"memberId" pattern:"^[1-9][0-9]{0,18}$" doc:"会员编号"`
		Amount model.Points `json:"amount" doc:"增加为正，减少为负"`
		Reason string       `json:"reason" minLength:"1" maxLength:"200" doc:"原因，会员可见"`
	}
}

// Adjust corrects a member's points, or asks a second person to.
func (h OpsPoints) Adjust(ctx context.Context, in *adjustInput) (*oneAnswer[adjustment], error) {
	member := model.MemberID(ByID{in.Body.Member}.id())
	may, err := inRegions(ctx, h.Places, member)
	if err == nil && !may {
		err = points.ErrNoMember
	}
	if err != nil {
		return nil, err
	}
	return oneAdjustment(h.Hand.Adjust(ctx, operatorOf(ctx).ID, member, in.Body.Amount, in.Body.Reason, in.request()))
}

type decideAdjustmentInput struct {
	Write
	ByID
}

// decidable refuses an adjustment of somebody outside the operator's regions. Errors:
// points.ErrNoAdjustment, crowd.ErrUnknown.
func (h OpsPoints) decidable(ctx context.Context, id model.ID) error {
	a, err := h.Book.Adjustment(ctx, id)
	if err == nil {
		err = near(ctx, a.Member)
	}
	return err
}

// Approve posts what another asked for.
func (h OpsPoints) Approve(ctx context.Context, in *decideAdjustmentInput) (*oneAnswer[adjustment], error) {
	if err := h.decidable(ctx, in.id()); err != nil {
		return nil, err
	}
	return oneAdjustment(h.Hand.Approve(ctx, in.id(), operatorOf(ctx).ID))
}

// Reject ends it.
func (h OpsPoints) Reject(ctx context.Context, in *decideAdjustmentInput) (*oneAnswer[adjustment], error) {
	if err := h.decidable(ctx, in.id()); err != nil {
		return nil, err
	}
	return oneAdjustment(h.Hand.Reject(ctx, in.id(), operatorOf(ctx).ID))
}

type accrualFile struct {
	Hash     string       `json:"hash" doc:"文件内容的 SHA-256"`
	Name     string       `json:"name"`
	Operator model.ID     `json:"operator"`
	Done     bool         `json:"done" doc:"已处理完；没有则重新上传同一文件，会继续"`
	Total    int64        `json:"total" doc:"行数"`
	Accepted int64        `json:"accepted" doc:"入账"`
	Repeated int64        `json:"repeated" doc:"以前已入账"`
	Refused  int64        `json:"refused" doc:"未入账，见 errors"`
	Points   model.Points `json:"points" doc:"入账的积分"`
	At       instant      `json:"at" format:"date-time"`
	Note     string       `json:"note,omitempty" doc:"只在上传时返回：工作簿里没有读取的内容，如其他工作表、合并的单元格"`
}

type accrualAnswer struct{ Body accrualFile }

func oneFile(f points.File, err error) (*accrualAnswer, error) {
	return &accrualAnswer{accrualFile{f.Hash, f.Name, f.Operator, f.Done, f.Total, f.Accepted, f.Repeated, f.Refused, f.Points, when(f.At), f.Note}}, err
}

// Import credits a carrier's file; the same file again answers what it did.
func (h OpsPoints) Import(ctx context.Context, _ *bareWrite) (*accrualAnswer, error) {
	f, err := formOf(ctx)
	if err != nil {
		return nil, err
	}
	return oneFile(h.Files.Import(ctx, operatorOf(ctx).ID, cmp.Or(f.fields["name"], f.name), f.fields["checksum"], f.file))
}

// ByHash is part of the input of what is about one file.
type ByHash struct {
	Hash string `path:"hash" pattern:"^[0-9a-f]{64}$" doc:"文件内容的 SHA-256"`
}

// File tells what became of one.
func (h OpsPoints) File(ctx context.Context, in *ByHash) (*accrualAnswer, error) {
	return oneFile(h.Files.File(ctx, in.Hash))
}

type fileErrorsInput struct {
	ByHash
	Page
}

type accrualError struct {
	Line   int64  `json:"line" doc:"行号，表头为 1"`
	Key    string `json:"key,omitempty" doc:"流水号"`
	Code   string `json:"code" example:"points.unbound"`
	Detail string `json:"detail" doc:"原因"`
}

// FileErrors lists the rows that were refused.
func (h OpsPoints) FileErrors(ctx context.Context, in *fileErrorsInput) (*listAnswer[accrualError], error) {
	page, next, err := h.Files.FileErrors(ctx, in.Hash, in.Cursor, in.Limit)
	return listed(page, next, err, func(e points.FileError) accrualError { return accrualError(e) })
}
