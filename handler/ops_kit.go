package handler

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"kaimenhong/model"
	"kaimenhong/service/material"
	"kaimenhong/service/operator"
)

// kitOperations are those of pictures, templates and kits.
func (h Material) kitOperations(api huma.API) {
	read, edit := operator.ReadMaterials, operator.EditMaterials
	created := http.StatusCreated
	missing := []int{http.StatusNotFound}
	registerOps(api, opsOperation{method: "GET", path: "/pictures", id: "listPictures", summary: "图片，新的在前", right: read}, h.Pictures)
	registerOps(api, opsOperation{method: "POST", path: "/pictures", id: "addPicture", summary: "上传图片（PNG、JPEG、GIF，不超过2MB），并存入微信素材库", right: edit, status: created, body: material.MaxPicture + 1}, h.AddPicture)
	registerOps(api, opsOperation{method: "GET", path: "/pictures/{id}/content", id: "getPicture", summary: "图片内容", right: read, errors: missing}, h.Picture)
	registerOps(api, opsOperation{method: "GET", path: "/templates", id: "listTemplates", summary: "已登记的微信模板", right: read}, h.Templates)
	registerOps(api, opsOperation{method: "POST", path: "/templates", id: "addTemplate", summary: "登记微信模板", right: edit, status: created}, h.AddTemplate)
	registerOps(api, opsOperation{method: "DELETE", path: "/templates/{id}", id: "retireTemplate", summary: "停用微信模板：已发布的内容照常发送，新内容不能再用，同一编号可重新登记", right: edit, errors: missing}, h.RetireTemplate)
	registerOps(api, opsOperation{method: "GET", path: "/kits", id: "listKits", summary: "组合的最新版本，新的在前", right: read}, h.Kits)
	registerOps(api, opsOperation{method: "POST", path: "/kits", id: "addKit", summary: "新建组合：素材、游戏与优惠", right: edit, status: created, errors: missing}, h.AddKit)
	registerOps(api, opsOperation{method: "PUT", path: "/kits/{id}", id: "editKit", summary: "保存组合的新版本", right: edit, errors: missing}, h.EditKit)
	registerOps(api, opsOperation{method: "GET", path: "/kits/{id}/versions", id: "listKitVersions", summary: "组合的版本，新的在前", right: read, errors: missing}, h.KitVersions)
	registerOps(api, opsOperation{method: "POST", path: "/kits/{id}/archive", id: "archiveKit", summary: "归档组合：不再列出，用它的方案不能再提交或排期，已在运行的活动不受影响；重复归档原样返回", right: edit, status: http.StatusOK, errors: missing}, h.ArchiveKit)
	registerOps(api, opsOperation{method: "POST", path: "/kits/{id}/restore", id: "restoreKit", summary: "恢复已归档的组合，未归档的原样返回", right: edit, status: http.StatusOK, errors: missing}, h.RestoreKit)
	registerOps(api, opsOperation{method: "GET", path: "/kit-versions/{id}", id: "getKitVersion", summary: "组合的一个版本，内容永不变化", right: read, errors: missing}, h.KitVersion)
}

type pictureRow struct {
	ID        model.ID `json:"id"`
	Format    string   `json:"format" enum:"png,jpeg,gif"`
	Width     int      `json:"width"`
	Height    int      `json:"height"`
	Size      int      `json:"size" doc:"字节"`
	MediaID   string   `json:"mediaId,omitempty" doc:"微信素材编号；没有则尚未存入微信，请重新上传"`
	URL       string   `json:"url,omitempty" doc:"仅在微信内可以打开"`
	CreatedBy model.ID `json:"createdBy"`
	CreatedAt instant  `json:"createdAt" format:"date-time"`
}

func newPicture(p material.Picture) pictureRow {
	return pictureRow{p.ID, p.Format, p.Width, p.Height, p.Size, p.MediaID, p.URL, p.CreatedBy, when(p.CreatedAt)}
}

// Pictures lists the pictures.
func (h Material) Pictures(ctx context.Context, in *Page) (*listAnswer[pictureRow], error) {
	page, next, err := h.Library.Pictures(ctx, in.Cursor, in.Limit)
	return listed(page, next, err, newPicture)
}

type pictureInput struct {
	Write
	RawBody []byte `contentType:"application/octet-stream"`
}

type pictureAnswer struct{ Body pictureRow }

// AddPicture takes a picture's bytes; what they are is found out, not believed.
func (h Material) AddPicture(ctx context.Context, in *pictureInput) (*pictureAnswer, error) {
	p, err := h.Library.AddPicture(ctx, operatorOf(ctx).ID, in.RawBody)
	return &pictureAnswer{newPicture(p)}, err
}

type rawAnswer struct {
	ContentType string `header:"Content-Type"`
	Options     string `header:"X-Content-Type-Options"`
	Body        []byte
}

// Picture is the picture itself.
func (h Material) Picture(ctx context.Context, in *ByID) (*rawAnswer, error) {
	content, kind, err := h.Library.PictureContent(ctx, in.id())
	return &rawAnswer{kind, "nosniff", content}, err
}

type templateRow struct {
	ID         model.ID      `json:"id"`
	Channel    model.Channel `json:"channel" enum:"template,official,mini_subscribe"`
	TemplateID string        `json:"templateId"`
	Title      string        `json:"title"`
	Fields     []fieldRow    `json:"fields"`
	CreatedAt  instant       `json:"createdAt" format:"date-time"`
	RetiredAt  instant       `json:"retiredAt,omitempty" format:"date-time" doc:"停用时间；停用后新内容不能再用"`
}

type fieldRow struct {
	Name  string `json:"name" example:"thing1"`
	Label string `json:"label"`
	Takes string `json:"takes" doc:"可以填什么"`
}

func newTemplate(t material.Template) templateRow {
	fields := make([]fieldRow, 0, len(t.Fields))
	for _, f := range t.Fields {
		fields = append(fields, fieldRow(f))
	}
	return templateRow{t.ID, t.Channel, t.WeChatID, t.Title, fields, when(t.CreatedAt), when(t.RetiredAt)}
}

type templatesInput struct {
	Page
	Retired bool `query:"retired" doc:"也列出已停用的"`
}

// Templates lists the registered templates.
func (h Material) Templates(ctx context.Context, in *templatesInput) (*listAnswer[templateRow], error) {
	page, next, err := h.Library.Templates(ctx, in.Retired, in.Cursor, in.Limit)
	return listed(page, next, err, newTemplate)
}

// RetireTemplate keeps new material from using a template.
func (h Material) RetireTemplate(ctx context.Context, in *writeByID) (*empty, error) {
	return nil, h.Library.RetireTemplate(ctx, operatorOf(ctx).ID, in.id())
}

type templateInput struct {
	Write
	Body struct {
		Channel    model.Channel `json:"channel" enum:"template,official,mini_subscribe" doc:"template：模板消息；official：公众号订阅通知；mini_subscribe：小程序订阅消息"`
		TemplateID string        `json:"templateId" minLength:"1" maxLength:"64"`
		Title      string        `json:"title" minLength:"1" maxLength:"40"`
		Content    string        `json:"content" minLength:"1" maxLength:"2000" doc:"微信后台显示的模板内容，每行一个字段，如 活动名称:{{thing1.DATA}}"`
	}
}

type templateAnswer struct{ Body templateRow }

// AddTemplate registers a template.
func (h Material) AddTemplate(ctx context.Context, in *templateInput) (*templateAnswer, error) {
	b := in.Body
	t, err := h.Library.AddTemplate(ctx, operatorOf(ctx).ID, b.Channel, b.TemplateID, b.Title, b.Content)
	return &templateAnswer{newTemplate(t)}, err
}

// kitPart and kitOffer have names of their own in the description.
type (
	kitPart  material.Part
	kitOffer material.Offer
)

type kitRow struct {
	ID        model.ID  `json:"id" doc:"版本编号；活动使用它"`
	KitID     model.ID  `json:"kitId"`
	Number    int       `json:"number"`
	Name      string    `json:"name"`
	Parts     []kitPart `json:"parts"`
	GameID    *model.ID `json:"gameId,omitempty"`
	Offer     *kitOffer `json:"offer,omitempty"`
	CreatedBy model.ID  `json:"createdBy"`
	CreatedAt instant   `json:"createdAt" format:"date-time"`
	UsedAt    instant   `json:"usedAt,omitempty" format:"date-time" doc:"最早被活动使用的时间"`
	Archived  instant   `json:"archivedAt,omitempty" format:"date-time" doc:"组合何时归档；没有则未归档"`
}

func newKit(k material.Kit) kitRow {
	row := kitRow{
		ID: k.ID, KitID: k.Kit, Number: k.Number, Name: k.Name, Parts: []kitPart{}, GameID: known(k.Game), CreatedBy: k.CreatedBy,
		CreatedAt: when(k.CreatedAt), UsedAt: when(k.UsedAt), Archived: when(k.ArchivedAt),
	}
	if k.Offer.Kind != material.NoOffer {
		offer := kitOffer(k.Offer)
		row.Offer = &offer
	}
	for _, p := range k.Parts {
		row.Parts = append(row.Parts, kitPart(p))
	}
	return row
}

type kitsInput struct {
	Page
	Words
	Archived bool `query:"archived" doc:"只列出已归档的；缺省只列出未归档的"`
}

// Kits lists the newest version of each kit, without those that are archived or those alone.
func (h Material) Kits(ctx context.Context, in *kitsInput) (*listAnswer[kitRow], error) {
	page, next, err := h.Library.Kits(ctx, in.Archived, in.Words.Words, in.Cursor, in.Limit)
	return listed(page, next, err, newKit)
}

type kitPlan struct {
	// Number is there when a kit is edited.
	Number int    `json:"number,omitempty" minimum:"1" doc:"修改时必填：您修改的是第几版"`
	Name   string `json:"name" minLength:"1" maxLength:"40"`
	Parts  []struct {
		Role      string   `json:"role" minLength:"1" maxLength:"20" doc:"用途，如 图文、提醒"`
		VersionID model.ID `json:"versionId" doc:"已发布的素材版本"`
	} `json:"parts" minItems:"1" maxItems:"20"`
	GameID *model.ID `json:"gameId,omitempty" doc:"众筹红包的游戏编号"`
	Offer  *struct {
		Kind material.OfferKind `json:"kind" enum:"gift,pack" doc:"gift：积分商城礼品；pack：运营商流量包"`
		ID   string             `json:"id" minLength:"1" maxLength:"64"`
	} `json:"offer,omitempty"`
}

func (p kitPlan) plan() material.Plan {
	out := material.Plan{Name: p.Name, Game: idOf(p.GameID)}
	for _, part := range p.Parts {
		out.Parts = append(out.Parts, material.Part{Role: part.Role, Version: part.VersionID})
	}
	if p.Offer != nil {
		out.Offer = material.Offer{Kind: p.Offer.Kind, ID: p.Offer.ID}
	}
	return out
}

type kitInput struct {
	Write
	Body kitPlan
}

type kitAnswer struct{ Body kitRow }

func oneKit(k material.Kit, err error) (*kitAnswer, error) { return &kitAnswer{newKit(k)}, err }

// AddKit makes a kit.
func (h Material) AddKit(ctx context.Context, in *kitInput) (*kitAnswer, error) {
	return oneKit(h.Library.AddKit(ctx, operatorOf(ctx).ID, in.Body.plan()))
}

type kitEdit struct {
	Write
	ByID
	Body kitPlan
}

// EditKit makes another version of a kit.
func (h Material) EditKit(ctx context.Context, in *kitEdit) (*kitAnswer, error) {
	return oneKit(h.Library.EditKit(ctx, operatorOf(ctx).ID, in.id(), in.Body.Number, in.Body.plan()))
}

// ArchiveKit puts a kit away.
func (h Material) ArchiveKit(ctx context.Context, in *writeByID) (*kitAnswer, error) {
	return oneKit(h.Library.ArchiveKit(ctx, operatorOf(ctx).ID, in.id()))
}

// RestoreKit takes it back.
func (h Material) RestoreKit(ctx context.Context, in *writeByID) (*kitAnswer, error) {
	return oneKit(h.Library.RestoreKit(ctx, operatorOf(ctx).ID, in.id()))
}

// KitVersions lists the versions of a kit.
func (h Material) KitVersions(ctx context.Context, in *ByID) (*listAnswer[kitRow], error) {
	all, err := h.Library.KitVersions(ctx, in.id())
	return listed(all, "", err, newKit)
}

// KitVersion is one version of a kit.
func (h Material) KitVersion(ctx context.Context, in *ByID) (*kitAnswer, error) {
	return oneKit(h.Library.Kit(ctx, in.id()))
}
