package handler

import (
	"context"

	"kaimenhong/model"
	"kaimenhong/service/material"
)

// materialContent has a name of its own in the description.
type materialContent struct {
	Text      string            `json:"text,omitempty" doc:"文本：正文，可用变量，如{{称呼|您}}"`
	Picture   model.ID          `json:"picture,omitzero" doc:"图片、小程序卡片：图片编号"`
	Articles  []material.Entry  `json:"articles,omitempty" doc:"图文：1到8篇"`
	LibraryID string            `json:"libraryId,omitempty" doc:"图文：公众号后台已有图文的media_id，代替articles；只有这种可以群发"`
	Title     string            `json:"title,omitempty" doc:"小程序卡片：标题"`
	AppID     string            `json:"appId,omitempty" doc:"小程序卡片；模板与订阅消息：点开后进入的小程序"`
	Page      string            `json:"page,omitempty" doc:"小程序卡片；模板与订阅消息：小程序的页面"`
	URL       string            `json:"url,omitempty" doc:"模板与订阅消息：点开后进入的网页"`
	Template  model.ID          `json:"template,omitzero" doc:"模板与订阅消息：已登记模板的编号"`
	Fields    map[string]string `json:"fields,omitempty" doc:"模板与订阅消息：字段名与内容，可用变量"`
}

type versionRow struct {
	ID          model.ID        `json:"id"`
	MaterialID  model.ID        `json:"materialId"`
	Name        string          `json:"materialName,omitempty" doc:"素材名称，在待审核的列表中"`
	Number      int             `json:"number"`
	Kind        material.Kind   `json:"kind" enum:"text,image,news,card,notice"`
	State       material.State  `json:"state" enum:"draft,review,published,discarded" doc:"draft：草稿；review：待审核；published：已发布，不再变化；discarded：已放弃"`
	Revision    int64           `json:"revision" doc:"修改、提交和发布时带上"`
	Content     materialContent `json:"content"`
	Note        string          `json:"note,omitempty" doc:"退回的原因"`
	CreatedBy   model.ID        `json:"createdBy"`
	CreatedAt   instant         `json:"createdAt" format:"date-time"`
	SubmittedBy *model.ID       `json:"submittedBy,omitempty"`
	SubmittedAt instant         `json:"submittedAt,omitempty" format:"date-time"`
	PublishedBy *model.ID       `json:"publishedBy,omitempty"`
	PublishedAt instant         `json:"publishedAt,omitempty" format:"date-time"`
}

func newVersion(v material.Version) versionRow {
	return versionRow{
		ID: v.ID, MaterialID: v.Material, Number: v.Number, Kind: v.Kind, State: v.State, Revision: v.Revision, Content: materialContent(v.Body),
		Note: v.Note, CreatedBy: v.CreatedBy, CreatedAt: when(v.CreatedAt), SubmittedBy: known(v.SubmittedBy), SubmittedAt: when(v.SubmittedAt),
		PublishedBy: known(v.CheckedBy), PublishedAt: when(v.CheckedAt),
	}
}

type versionAnswer struct{ Body versionRow }

func oneVersion(v material.Version, err error) (*versionAnswer, error) {
	return &versionAnswer{newVersion(v)}, err
}

type pageByID struct {
	ByID
	Page
}

// Versions lists those of a material.
func (h Material) Versions(ctx context.Context, in *pageByID) (*listAnswer[versionRow], error) {
	page, next, err := h.Library.Versions(ctx, in.id(), in.Cursor, in.Limit)
	return listed(page, next, err, newVersion)
}

// Draft opens another version.
func (h Material) Draft(ctx context.Context, in *writeByID) (*versionAnswer, error) {
	return oneVersion(h.Library.Draft(ctx, operatorOf(ctx).ID, in.id()))
}

// Reviews lists what waits for a second person.
func (h Material) Reviews(ctx context.Context, in *Page) (*listAnswer[versionRow], error) {
	page, next, err := h.Library.Reviews(ctx, in.Cursor, in.Limit)
	if err != nil {
		return nil, err
	}
	names, err := h.Library.Names(ctx, page)
	return listed(page, next, err, func(v material.Version) versionRow {
		row := newVersion(v)
		row.Name = names[v.Material]
		return row
	})
}

// Version is one version.
func (h Material) Version(ctx context.Context, in *ByID) (*versionAnswer, error) {
	return oneVersion(h.Library.Version(ctx, in.id()))
}

type editInput struct {
	Write
	ByID
	Body struct {
		Revision int64           `json:"revision"`
		Content  materialContent `json:"content"`
	}
}

// Edit replaces a draft's body.
func (h Material) Edit(ctx context.Context, in *editInput) (*versionAnswer, error) {
	return oneVersion(h.Library.Edit(ctx, operatorOf(ctx).ID, in.id(), in.Body.Revision, material.Body(in.Body.Content)))
}

// Discard gives a draft up.
func (h Material) Discard(ctx context.Context, in *writeByID) (*empty, error) {
	return nil, h.Library.Discard(ctx, operatorOf(ctx).ID, in.id())
}

type revisionInput struct {
	Write
	ByID
	Body struct {
		Revision int64 `json:"revision" doc:"您看到的那一份"`
	}
}

// Submit hands a draft in.
func (h Material) Submit(ctx context.Context, in *revisionInput) (*versionAnswer, error) {
	return oneVersion(h.Library.Submit(ctx, operatorOf(ctx).ID, in.id(), in.Body.Revision))
}

// Publish makes a version final.
func (h Material) Publish(ctx context.Context, in *revisionInput) (*versionAnswer, error) {
	return oneVersion(h.Library.Publish(ctx, operatorOf(ctx).ID, in.id(), in.Body.Revision))
}

type returnInput struct {
	Write
	ByID
	Body struct {
		Note string `json:"note" minLength:"1" maxLength:"200" doc:"退回的原因"`
	}
}

// Return sends a version back.
func (h Material) Return(ctx context.Context, in *returnInput) (*versionAnswer, error) {
	return oneVersion(h.Library.Return(ctx, operatorOf(ctx).ID, in.id(), in.Body.Note))
}

type previewInput struct {
	ByID
	Member string `query:"member" pattern:"^[1-9][0-9]{0,18}$" doc:"会员编号；不填则用示例值"`
}

type problemRow struct {
	Field string `json:"field" doc:"如 text、articles[0].title、fields.thing1"`
	Text  string `json:"text" doc:"问题与改法"`
	Hint  bool   `json:"hint" doc:"仅为提示，不影响发布"`
}

type fitRow struct {
	Channel model.Channel `json:"channel"`
	Name    string        `json:"name"`
	Why     string        `json:"why,omitempty" doc:"为什么不能用这个渠道；没有则可用"`
}

type preview struct {
	Message  previewMessage    `json:"message"`
	Own      bool              `json:"own" doc:"全部变量都用了该会员自己的值"`
	Values   map[string]string `json:"values" doc:"该会员已知的变量值"`
	Problems []problemRow      `json:"problems"`
	Channels []fitRow          `json:"channels"`
}

type previewMessage struct {
	Content  *model.Content    `json:"content,omitempty" doc:"客服消息、被动回复与群发"`
	Template string            `json:"templateId,omitempty"`
	Data     map[string]string `json:"data,omitempty" doc:"模板字段"`
	AppID    string            `json:"appId,omitempty"`
	Page     string            `json:"page,omitempty"`
	URL      string            `json:"url,omitempty"`
}

func newPreviewMessage(m model.Message) *previewMessage {
	out := &previewMessage{Template: m.Template, Data: m.Data, AppID: m.AppID, Page: m.Page, URL: m.URL}
	if m.Template == "" {
		out.Content = &m.Content
	}
	return out
}

type previewAnswer struct{ Body preview }

// Preview shows what a member would get.
func (h Material) Preview(ctx context.Context, in *previewInput) (*previewAnswer, error) {
	member, _ := model.ParseID(in.Member) // 0, for nobody, when it is left out
	if err := near(ctx, model.MemberID(member)); err != nil {
		return nil, err
	}
	p, err := h.Library.Preview(ctx, in.id(), model.MemberID(member))
	if err != nil {
		return nil, err
	}
	out := preview{
		Message: *newPreviewMessage(p.Message), Own: p.Own, Values: p.Values,
		Problems: []problemRow{}, Channels: []fitRow{},
	}
	for _, one := range p.Problems {
		out.Problems = append(out.Problems, problemRow(one))
	}
	for _, f := range p.Channels {
		out.Channels = append(out.Channels, fitRow(f))
	}
	return &previewAnswer{out}, nil
}

type options struct {
	Kinds     []kindRow     `json:"kinds"`
	Channels  []fitRow      `json:"channels"`
	Variables []variableRow `json:"variables"`
	Tags      []tagRow      `json:"tags"`
}

type kindRow struct {
	Kind material.Kind `json:"kind"`
	Name string        `json:"name"`
}

type variableRow struct {
	Name          string `json:"name"`
	Means         string `json:"means"`
	Sample        string `json:"sample"`
	NeedsFallback bool   `json:"needsFallback" doc:"须写备用文字，如 {{称呼|您}}"`
	With          string `json:"with,omitempty" doc:"须与这个变量同用"`
}

type tagRow struct {
	Name  string `json:"name"`
	Count int64  `json:"count"`
}

type optionsAnswer struct{ Body options }

// Options are what an editor chooses from.
func (h Material) Options(ctx context.Context, _ *none) (*optionsAnswer, error) {
	tags, err := h.Library.Tags(ctx)
	if err != nil {
		return nil, err
	}
	out := options{Kinds: []kindRow{}, Channels: []fitRow{}, Variables: []variableRow{}, Tags: []tagRow{}}
	for _, k := range material.Kinds {
		out.Kinds = append(out.Kinds, kindRow(k))
	}
	for _, c := range material.Channels {
		out.Channels = append(out.Channels, fitRow{Channel: c.Channel, Name: c.Name})
	}
	for _, v := range material.Variables {
		out.Variables = append(out.Variables, variableRow{v.Name, v.Means, v.Sample, !v.Always, v.Dated})
	}
	for _, t := range tags {
		out.Tags = append(out.Tags, tagRow(t))
	}
	return &optionsAnswer{out}, nil
}
