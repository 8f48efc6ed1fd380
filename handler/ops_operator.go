package handler

import (
	"context"
	"encoding/json"
	"time"

	"kaimenhong/model"
	"kaimenhong/service/operator"
)

type operatorBook interface {
	Get(ctx context.Context, id model.ID) (operator.Operator, error)
	List(ctx context.Context, cursor string, limit int) ([]operator.Operator, string, error)
	Add(ctx context.Context, a operator.Account, by model.ID) (model.ID, error)
}

type accountKeeper interface {
	Update(ctx context.Context, id model.ID, c operator.Change, by model.ID) error
	Reset(ctx context.Context, id model.ID, password string, by model.ID) error
}

type accountSwitch interface {
	Disable(ctx context.Context, id, by model.ID) error
	Enable(ctx context.Context, id, by model.ID) error
}

type trail interface {
	Audit(ctx context.Context, t operator.Trail, cursor string, limit int) ([]operator.Line, string, error)
}

// OpsOperator manages the accounts of operators and reads what they did.
type OpsOperator struct {
	Book   operatorBook
	Keeper accountKeeper
	Switch accountSwitch
	Trail  trail
}

type opsOperator struct {
	ID           model.ID    `json:"id"`
	Username     string      `json:"username"`
	Name         string      `json:"name"`
	Roles        []opsRole   `json:"roles"`
	Regions      []opsRegion `json:"regions" doc:"只能查看这些地区的用户；空为不限"`
	SecondFactor bool        `json:"secondFactor" doc:"已启用动态码"`
	NewPassword  bool        `json:"newPassword" doc:"须先设置自己的密码"`
	DisabledAt   instant     `json:"disabledAt,omitempty" format:"date-time" doc:"没有则可用"`
	CreatedAt    instant     `json:"createdAt" format:"date-time"`
}

func newOpsOperator(o operator.Operator) opsOperator {
	return opsOperator{o.ID, o.Username, o.Name, newOpsRoles(o.Roles), newOpsRegions(o.Regions), o.TOTP, o.Renew, when(o.DisabledAt), when(o.CreatedAt)}
}

type opsOperatorAnswer struct{ Body opsOperator }

// List lists the accounts, newest first.
func (h OpsOperator) List(ctx context.Context, in *Page) (*listAnswer[opsOperator], error) {
	page, next, err := h.Book.List(ctx, in.Cursor, in.Limit)
	return listed(page, next, err, newOpsOperator)
}

func (h OpsOperator) answer(ctx context.Context, id model.ID, err error) (*opsOperatorAnswer, error) {
	if err != nil {
		return nil, err
	}
	o, err := h.Book.Get(ctx, id)
	return &opsOperatorAnswer{newOpsOperator(o)}, err
}

// Get shows one account.
func (h OpsOperator) Get(ctx context.Context, in *ByID) (*opsOperatorAnswer, error) {
	return h.answer(ctx, in.id(), nil)
}

// AccountFields are what a manager says of an account.
type AccountFields struct {
	Name    string          `json:"name" minLength:"1" maxLength:"20"`
	Roles   []operator.Role `json:"roles" minItems:"1" maxItems:"7" enum:"admin,planner,editor,reviewer,support,analyst,auditor"`
	Regions []opsRegion     `json:"regions,omitempty" maxItems:"50" doc:"只能查看这些地区的用户；空为不限"`
}

func (f AccountFields) regions() model.Regions {
	var out model.Regions
	for _, r := range f.Regions {
		out = append(out, model.Region{Province: r.Province, City: r.City})
	}
	return out
}

type newAccount struct {
	Write
	Body struct {
		Username string `json:"username" minLength:"3" maxLength:"32"`
		Password string `json:"password" minLength:"12" maxLength:"128" doc:"初始密码，本人首次登录后须更换"`
		AccountFields
	}
}

// Add makes an account.
func (h OpsOperator) Add(ctx context.Context, in *newAccount) (*opsOperatorAnswer, error) {
	b := in.Body
	id, err := h.Book.Add(ctx, operator.Account{Username: b.Username, Name: b.Name, Password: b.Password, Roles: b.Roles, Regions: b.regions()}, operatorOf(ctx).ID)
	return h.answer(ctx, id, err)
}

type changedAccount struct {
	Write
	ByID
	Body AccountFields
}

// Update changes an account.
func (h OpsOperator) Update(ctx context.Context, in *changedAccount) (*opsOperatorAnswer, error) {
	err := h.Keeper.Update(ctx, in.id(), operator.Change{Name: in.Body.Name, Roles: in.Body.Roles, Regions: in.Body.regions()}, operatorOf(ctx).ID)
	return h.answer(ctx, in.id(), err)
}

type bareWriteByID struct {
	Write
	ByID
}

// Disable ends an account.
func (h OpsOperator) Disable(ctx context.Context, in *bareWriteByID) (*opsOperatorAnswer, error) {
	return h.answer(ctx, in.id(), h.Switch.Disable(ctx, in.id(), operatorOf(ctx).ID))
}

// Enable lets it work again.
func (h OpsOperator) Enable(ctx context.Context, in *bareWriteByID) (*opsOperatorAnswer, error) {
	return h.answer(ctx, in.id(), h.Switch.Enable(ctx, in.id(), operatorOf(ctx).ID))
}

type resetInput struct {
	Write
	ByID
	Body struct {
		Password string `json:"password" minLength:"12" maxLength:"128" doc:"新的初始密码，本人登录后须更换"`
	}
}

// Reset gives an account a new password to begin with.
func (h OpsOperator) Reset(ctx context.Context, in *resetInput) (*opsOperatorAnswer, error) {
	return h.answer(ctx, in.id(), h.Keeper.Reset(ctx, in.id(), in.Body.Password, operatorOf(ctx).ID))
}

type colleague struct {
	ID       model.ID  `json:"id"`
	Name     string    `json:"name"`
	Roles    []opsRole `json:"roles"`
	Disabled bool      `json:"disabled,omitempty" doc:"账号已停用"`
}

// Colleagues name everybody, for the ids that answers have of who made something.
func (h OpsOperator) Colleagues(ctx context.Context, in *Page) (*listAnswer[colleague], error) {
	page, next, err := h.Book.List(ctx, in.Cursor, in.Limit)
	return listed(page, next, err, func(o operator.Operator) colleague {
		return colleague{o.ID, o.Name, newOpsRoles(o.Roles), o.DisabledAt != 0}
	})
}

type roleLine struct {
	Right operator.Right  `json:"right"`
	Title string          `json:"title"`
	Roles []operator.Role `json:"roles"`
	Named []opsRole       `json:"named" doc:"这些角色及其名称"`
}

// Roles is the table of who may do what.
func (h OpsOperator) Roles(context.Context, *none) (*listAnswer[roleLine], error) {
	return listed(operator.Table, "", nil, func(l operator.RightInfo) roleLine {
		return roleLine{l.Right, l.Title, l.Roles, newOpsRoles(l.Roles)}
	})
}

type auditInput struct {
	Page
	Target   string `query:"target" maxLength:"97" pattern:"^[a-z_.]+/[!-~]+$" doc:"只看对某个对象的操作" example:"campaign/42"`
	Operator string `query:"operator" pattern:"^[1-9][0-9]{0,18}$" doc:"只看某人的操作"`
	From     string `query:"from" format:"date" doc:"从哪天起，北京时间" example:"2027-02-01"`
	To       string `query:"to" format:"date" doc:"到哪天为止，含当天"`
}

type auditLine struct {
	Seq      string   `json:"seq" doc:"序号，连续递增"`
	Operator model.ID `json:"operatorId" doc:"0 为系统或命令行"`
	Name     string   `json:"operatorName,omitempty"`
	Action   string   `json:"action" example:"campaign.approve"`
	Target   string   `json:"target" example:"campaign/42"`
	Detail   any      `json:"detail" doc:"改了什么，没有则为 null"`
	At       instant  `json:"at" format:"date-time"`
}

// dayOf reads what was checked to be a date, or is empty.
func dayOf(date string) model.Day {
	at, err := time.ParseInLocation(time.DateOnly, date, model.Shanghai)
	if err != nil {
		return 0
	}
	return model.DayOf(at)
}

// Audit lists what operators did, newest first.
func (h OpsOperator) Audit(ctx context.Context, in *auditInput) (*listAnswer[auditLine], error) {
	t := operator.Trail{Target: in.Target, Operator: ByID{in.Operator}.id(), From: dayOf(in.From), To: dayOf(in.To)}
	page, next, err := h.Trail.Audit(ctx, t, in.Cursor, in.Limit)
	return listed(page, next, err, func(l operator.Line) auditLine {
		var detail any
		if json.Unmarshal(l.Detail, &detail) != nil {
			detail = string(l.Detail) // of a row that somebody wrote by hand; the check of the chain tells
		}
		return auditLine{model.ID(l.Seq).String(), l.Operator, l.Name, l.Action, l.Target, detail, when(l.At)}
	})
}
