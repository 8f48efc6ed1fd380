package handler

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"kaimenhong/model"
	"kaimenhong/service/chat"
	"kaimenhong/service/operator"
)

type (
	// ruleBook is the operators' own answers to words.
	ruleBook interface {
		List(ctx context.Context, cursor string, limit int) ([]chat.Rule, string, error)
		Get(ctx context.Context, id model.ID) (chat.Rule, error)
	}
	ruleWriter interface {
		Add(ctx context.Context, by model.ID, rule chat.Rule, request model.RequestID) (chat.Rule, error)
		Change(ctx context.Context, by model.ID, rule chat.Rule) (chat.Rule, error)
		Drop(ctx context.Context, by, id model.ID) error
	}
	// noteBook is what members told us.
	noteBook interface {
		List(ctx context.Context, open bool, cursor string, limit int) ([]chat.Note, string, error)
		Teller(ctx context.Context, id model.ID) (model.MemberID, error)
		Finish(ctx context.Context, by, id model.ID, remark string) error
	}
)

// OpsChat is what operators have to do with the chat.
type OpsChat struct {
	Rules  ruleBook
	Writer ruleWriter
	Notes  noteBook
}

// operations are those of keyword rules and feedback.
func (h OpsChat) operations(api huma.API) {
	missing := []int{http.StatusNotFound}
	registerOps(api, opsOperation{method: "GET", path: "/rules", id: "listRules", summary: "关键词规则，先添加的在前", right: operator.ReadRules}, h.List)
	registerOps(api, opsOperation{method: "POST", path: "/rules", id: "addRule", summary: "添加关键词规则，几秒内生效", right: operator.EditRules, status: http.StatusCreated}, h.Add)
	registerOps(api, opsOperation{method: "GET", path: "/rules/{id}", id: "getRule", summary: "关键词规则", right: operator.ReadRules, errors: missing}, h.Get)
	registerOps(api, opsOperation{method: "PUT", path: "/rules/{id}", id: "changeRule", summary: "修改关键词规则：带上读到的 version，被他人改过则拒绝", right: operator.EditRules, errors: missing}, h.Change)
	registerOps(api, opsOperation{method: "DELETE", path: "/rules/{id}", id: "dropRule", summary: "删除关键词规则", right: operator.EditRules, errors: missing}, h.Drop)
	registerOps(api, opsOperation{method: "GET", path: "/feedback", id: "listFeedback", summary: "用户的意见与投诉，新的在前", right: operator.ReadFeedback}, h.Feedback)
	registerOps(api, opsOperation{method: "POST", path: "/feedback/{id}/finish", id: "finishFeedback", summary: "记录处理结果", right: operator.FinishFeedback, errors: missing}, h.Finish)
}

type ruleContent struct {
	Kind        string `json:"kind" enum:"text,image,news,card" doc:"文字、图片、图文、小程序卡片"`
	Text        string `json:"text,omitempty" doc:"文字回复，最多 2048 字节"`
	MediaID     string `json:"mediaId,omitempty" doc:"图片的微信素材编号（见 /pictures）"`
	Title       string `json:"title,omitempty" doc:"图文或卡片的标题"`
	Description string `json:"description,omitempty" doc:"图文的描述"`
	URL         string `json:"url,omitempty" doc:"图文的链接"`
	PictureURL  string `json:"pictureUrl,omitempty" doc:"图文的封面"`
	AppID       string `json:"appId,omitempty" doc:"小程序的 appid"`
	Page        string `json:"page,omitempty" doc:"小程序的页面路径"`
	ThumbID     string `json:"thumbId,omitempty" doc:"卡片封面的微信素材编号"`
}

// ruleCard is a mini-program card; WeChat's word for it is no field's standard.
const ruleCard = "card"

func ruleContentOf(c model.Content) ruleContent {
	out := ruleContent{Kind: string(c.Kind), Text: c.Text, MediaID: c.MediaID, Title: c.Title, AppID: c.AppID, Page: c.Page, ThumbID: c.ThumbID}
	if c.Kind == model.CardContent {
		out.Kind = ruleCard
	}
	if len(c.Articles) > 0 {
		a := c.Articles[0]
		out.Title, out.Description, out.URL, out.PictureURL = a.Title, a.Description, a.URL, a.PictureURL
	}
	return out
}

func (c ruleContent) content() model.Content {
	switch kind := model.ContentKind(c.Kind); kind {
	case model.TextContent:
		return model.Text(c.Text)
	case model.ImageContent:
		return model.Content{Kind: kind, MediaID: c.MediaID}
	case model.NewsContent:
		return model.Content{Kind: kind, Articles: []model.Article{{Title: c.Title, Description: c.Description, PictureURL: c.PictureURL, URL: c.URL}}}
	default:
		return model.Content{Kind: model.CardContent, Title: c.Title, AppID: c.AppID, Page: c.Page, ThumbID: c.ThumbID}
	}
}

// RuleFields is a rule as it is written.
type RuleFields struct {
	How      string      `json:"how" enum:"exact,prefix,contains" doc:"完全相同、开头、包含；比较时不分大小写、简繁、全半角"`
	Pattern  string      `json:"pattern" minLength:"1" maxLength:"64" doc:"关键词"`
	Priority int         `json:"priority,omitempty" minimum:"-1000" maximum:"1000" doc:"大的优先"`
	StartsAt instant     `json:"startsAt,omitempty" format:"date-time" doc:"没有则立即生效"`
	EndsAt   instant     `json:"endsAt,omitempty" format:"date-time" doc:"没有则一直有效"`
	Enabled  bool        `json:"enabled" doc:"是否启用"`
	Content  ruleContent `json:"content" doc:"回复的内容"`
}

func (b RuleFields) rule() chat.Rule {
	r := chat.Rule{How: chat.How(b.How), Pattern: b.Pattern, Priority: b.Priority, Enabled: b.Enabled, Content: b.Content.content()}
	if b.StartsAt != nil {
		r.StartsAt = *b.StartsAt
	}
	if b.EndsAt != nil {
		r.EndsAt = *b.EndsAt
	}
	return r
}

type ruleRow struct {
	ID model.ID `json:"id"`
	RuleFields
	CreatedAt instant `json:"createdAt" format:"date-time"`
	UpdatedAt instant `json:"updatedAt" format:"date-time"`
	Version   int64   `json:"version" doc:"修改时带上，以免覆盖他人的修改"`
}

func ruleRowOf(r chat.Rule) ruleRow {
	return ruleRow{
		r.ID, RuleFields{string(r.How), r.Pattern, r.Priority, when(r.StartsAt), when(r.EndsAt), r.Enabled, ruleContentOf(r.Content)},
		when(r.CreatedAt), when(r.UpdatedAt), r.Version,
	}
}

// List lists the rules.
func (h OpsChat) List(ctx context.Context, in *Page) (*listAnswer[ruleRow], error) {
	page, next, err := h.Rules.List(ctx, in.Cursor, in.Limit)
	return listed(page, next, err, ruleRowOf)
}

// Get is one rule.
func (h OpsChat) Get(ctx context.Context, in *ByID) (*oneAnswer[ruleRow], error) {
	r, err := h.Rules.Get(ctx, in.id())
	return worded(r, err, ruleRowOf)
}

type addRuleInput struct {
	Write
	Body RuleFields
}

// Add adds a rule.
func (h OpsChat) Add(ctx context.Context, in *addRuleInput) (*oneAnswer[ruleRow], error) {
	by := operatorOf(ctx).ID
	sum := sha256.Sum256([]byte(by.String() + " " + in.Key)) // a key is one operator's own
	r, err := h.Writer.Add(ctx, by, in.Body.rule(), model.RequestID("rule-"+hex.EncodeToString(sum[:16])))
	return worded(r, err, ruleRowOf)
}

type changeRuleInput struct {
	Write
	ByID
	Body struct {
		RuleFields
		Version int64 `json:"version" minimum:"1" doc:"所修改的版本"`
	}
}

// Change replaces a rule.
func (h OpsChat) Change(ctx context.Context, in *changeRuleInput) (*oneAnswer[ruleRow], error) {
	r := in.Body.rule()
	r.ID, r.Version = in.id(), in.Body.Version
	r, err := h.Writer.Change(ctx, operatorOf(ctx).ID, r)
	return worded(r, err, ruleRowOf)
}

type dropRuleInput struct {
	Write
	ByID
}

// Drop removes a rule.
func (h OpsChat) Drop(ctx context.Context, in *dropRuleInput) (*empty, error) {
	return nil, h.Writer.Drop(ctx, operatorOf(ctx).ID, in.id())
}

type feedbackInput struct {
	Page
	Open bool `query:"open" default:"true" doc:"只看还没有处理的"`
}

type feedbackRow struct {
	ID        model.ID       `json:"id"`
	MemberID  model.MemberID `json:"memberId"`
	Message   string         `json:"message"`
	CreatedAt instant        `json:"createdAt" format:"date-time"`
	DoneAt    instant        `json:"doneAt,omitempty" format:"date-time"`
	DoneBy    model.ID       `json:"doneBy,omitempty" doc:"处理人"`
	Remark    string         `json:"remark,omitempty" doc:"处理说明"`
}

func feedbackRowOf(n chat.Note) feedbackRow {
	return feedbackRow{n.ID, n.Member, n.Message, when(n.CreatedAt), when(n.DoneAt), n.DoneBy, n.Remark}
}

// Feedback lists what members of the operator's regions told us.
func (h OpsChat) Feedback(ctx context.Context, in *feedbackInput) (*listAnswer[feedbackRow], error) {
	page, next, err := h.Notes.List(ctx, in.Open, in.Cursor, in.Limit)
	if err == nil {
		page, err = visible(ctx, page, func(n chat.Note) model.MemberID { return n.Member })
	}
	return listed(page, next, err, feedbackRowOf)
}

type finishInput struct {
	Write
	ByID
	Body struct {
		Remark string `json:"remark" minLength:"1" maxLength:"500" doc:"怎么处理的"`
	}
}

// Finish says what became of one.
func (h OpsChat) Finish(ctx context.Context, in *finishInput) (*empty, error) {
	member, err := h.Notes.Teller(ctx, in.id())
	if err == nil {
		err = near(ctx, member)
	}
	if err != nil {
		return nil, err
	}
	return nil, h.Notes.Finish(ctx, operatorOf(ctx).ID, in.id(), in.Body.Remark)
}
