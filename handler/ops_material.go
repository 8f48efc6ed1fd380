package handler

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"kaimenhong/model"
	"kaimenhong/service/material"
	"kaimenhong/service/operator"
)

// Material is the library of texts, pictures, articles, cards and templates, and the
// kits made of them.
type Material struct{ Library *material.Materials }

// operations are those of the library; ops_kit.go has those of pictures, templates and
// kits.
func (h Material) operations(api huma.API) {
	read, edit, review := operator.ReadMaterials, operator.EditMaterials, operator.ReviewMaterials
	created := http.StatusCreated
	missing := []int{http.StatusNotFound}
	registerOps(api, opsOperation{method: "GET", path: "/folders", id: "listFolders", summary: "素材文件夹", right: read}, h.Folders)
	registerOps(api, opsOperation{method: "POST", path: "/folders", id: "addFolder", summary: "新建文件夹", right: edit, status: created, errors: missing}, h.AddFolder)
	registerOps(api, opsOperation{method: "PUT", path: "/folders/{id}", id: "renameFolder", summary: "重命名文件夹", right: edit, errors: missing}, h.RenameFolder)
	registerOps(api, opsOperation{method: "DELETE", path: "/folders/{id}", id: "removeFolder", summary: "删除空文件夹", right: edit, errors: missing}, h.RemoveFolder)
	registerOps(api, opsOperation{method: "GET", path: "/materials", id: "listMaterials", summary: "素材列表，新的在前", right: read}, h.List)
	registerOps(api, opsOperation{method: "POST", path: "/materials", id: "createMaterial", summary: "新建素材及其第一份草稿", right: edit, status: created, errors: missing}, h.Create)
	registerOps(api, opsOperation{method: "GET", path: "/materials/{id}", id: "getMaterial", summary: "素材", right: read, errors: missing}, h.Get)
	registerOps(api, opsOperation{method: "PUT", path: "/materials/{id}", id: "arrangeMaterial", summary: "改名、移动、打标签、停用或启用", right: edit, errors: missing}, h.Arrange)
	registerOps(api, opsOperation{method: "GET", path: "/materials/{id}/versions", id: "listVersions", summary: "素材的版本，新的在前", right: read}, h.Versions)
	registerOps(api, opsOperation{method: "POST", path: "/materials/{id}/versions", id: "draftVersion", summary: "从已发布版本新建草稿", right: edit, status: created, errors: missing}, h.Draft)
	registerOps(api, opsOperation{method: "GET", path: "/material-options", id: "getMaterialOptions", summary: "可用的类型、渠道、变量与标签", right: read}, h.Options)
	registerOps(api, opsOperation{method: "GET", path: "/material-reviews", id: "listMaterialReviews", summary: "待审核的版本，先提交的在前", right: read}, h.Reviews)
	registerOps(api, opsOperation{method: "GET", path: "/material-versions/{id}", id: "getVersion", summary: "版本", right: read, errors: missing}, h.Version)
	registerOps(api, opsOperation{method: "PUT", path: "/material-versions/{id}", id: "editVersion", summary: "修改草稿", right: edit, errors: missing}, h.Edit)
	registerOps(api, opsOperation{method: "DELETE", path: "/material-versions/{id}", id: "discardVersion", summary: "放弃草稿", right: edit, errors: missing}, h.Discard)
	registerOps(api, opsOperation{method: "GET", path: "/material-versions/{id}/preview", id: "previewVersion", summary: "预览某位会员收到的内容，并列出问题与可用渠道", right: read, errors: missing}, h.Preview)
	registerOps(api, opsOperation{method: "POST", path: "/material-versions/{id}/submit", id: "submitVersion", summary: "提交审核", right: edit, errors: missing}, h.Submit)
	registerOps(api, opsOperation{method: "POST", path: "/material-versions/{id}/return", id: "returnVersion", summary: "退回修改", right: review, errors: missing}, h.Return)
	registerOps(api, opsOperation{method: "POST", path: "/material-versions/{id}/publish", id: "publishVersion", summary: "审核通过并发布，须由未编辑过该版本的人操作", right: review, errors: missing}, h.Publish)
	h.kitOperations(api)
}

type folderRow struct {
	ID        model.ID  `json:"id"`
	ParentID  *model.ID `json:"parentId,omitempty" doc:"没有则在最上层"`
	Name      string    `json:"name"`
	CreatedAt instant   `json:"createdAt" format:"date-time"`
}

// known is an id in an answer; nil stands for none.
func known(id model.ID) *model.ID {
	if id == 0 {
		return nil
	}
	return &id
}

// idOf is an id of an input; none is 0.
func idOf(id *model.ID) model.ID {
	if id == nil {
		return 0
	}
	return *id
}

func newFolder(f material.Folder) folderRow {
	return folderRow{f.ID, known(f.Parent), f.Name, when(f.CreatedAt)}
}

// Folders are all folders; there are 500 at most.
func (h Material) Folders(ctx context.Context, _ *none) (*listAnswer[folderRow], error) {
	all, err := h.Library.Folders(ctx)
	return listed(all, "", err, newFolder)
}

type folderInput struct {
	Write
	Body struct {
		ParentID *model.ID `json:"parentId,omitempty" doc:"没有则在最上层"`
		Name     string    `json:"name" minLength:"1" maxLength:"20"`
	}
}

type folderAnswer struct{ Body folderRow }

// AddFolder makes a folder.
func (h Material) AddFolder(ctx context.Context, in *folderInput) (*folderAnswer, error) {
	f, err := h.Library.AddFolder(ctx, operatorOf(ctx).ID, idOf(in.Body.ParentID), in.Body.Name)
	return &folderAnswer{newFolder(f)}, err
}

type folderName struct {
	Write
	ByID
	Body struct {
		Name string `json:"name" minLength:"1" maxLength:"20"`
	}
}

// RenameFolder renames one.
func (h Material) RenameFolder(ctx context.Context, in *folderName) (*empty, error) {
	return nil, h.Library.RenameFolder(ctx, operatorOf(ctx).ID, in.id(), in.Body.Name)
}

// writeByID is the input of a write about one thing.
type writeByID struct {
	Write
	ByID
}

// RemoveFolder removes an empty one.
func (h Material) RemoveFolder(ctx context.Context, in *writeByID) (*empty, error) {
	return nil, h.Library.RemoveFolder(ctx, operatorOf(ctx).ID, in.id())
}

type materialRow struct {
	ID        model.ID      `json:"id"`
	FolderID  *model.ID     `json:"folderId,omitempty"`
	Kind      material.Kind `json:"kind" enum:"text,image,news,card,notice"`
	Name      string        `json:"name"`
	Tags      []string      `json:"tags"`
	OpenID    *model.ID     `json:"openVersionId,omitempty" doc:"正在编辑或审核的版本"`
	LiveID    *model.ID     `json:"publishedVersionId,omitempty" doc:"最近发布的版本"`
	Retired   bool          `json:"retired" doc:"已停用：不能用于新的组合，使用中的不受影响"`
	Revision  int64         `json:"revision" doc:"修改时带上，防止覆盖他人的修改"`
	CreatedBy model.ID      `json:"createdBy"`
	CreatedAt instant       `json:"createdAt" format:"date-time"`
	UpdatedAt instant       `json:"updatedAt" format:"date-time"`
}

func newMaterial(m material.Material) materialRow {
	tags := m.Tags
	if tags == nil {
		tags = []string{}
	}
	return materialRow{m.ID, known(m.Folder), m.Kind, m.Name, tags, known(m.Open), known(m.Live), m.Retired, m.Revision, m.CreatedBy, when(m.CreatedAt), when(m.UpdatedAt)}
}

type materialsInput struct {
	Page
	Folder    string        `query:"folder" pattern:"^(0|[1-9][0-9]{0,18})$" doc:"文件夹编号，0 为最上层，不填为全部"`
	Kind      material.Kind `query:"kind" enum:"text,image,news,card,notice"`
	Tag       string        `query:"tag" maxLength:"12"`
	Words     string        `query:"words" maxLength:"40" doc:"名称中的文字，字母不分大小写"`
	Retired   bool          `query:"retired" doc:"也列出已停用的"`
	Published bool          `query:"published" doc:"只列出已发布的"`
}

// List lists the library.
func (h Material) List(ctx context.Context, in *materialsInput) (*listAnswer[materialRow], error) {
	f := material.Filter{Kind: in.Kind, Tag: in.Tag, Words: in.Words, Retired: in.Retired, Live: in.Published}
	if in.Folder != "" {
		id := ByID{in.Folder}.id() // 0 is the top
		f.Folder = &id
	}
	page, next, err := h.Library.Materials(ctx, f, in.Cursor, in.Limit)
	return listed(page, next, err, newMaterial)
}

type materialInput struct {
	Write
	Body struct {
		FolderID *model.ID       `json:"folderId,omitempty"`
		Kind     material.Kind   `json:"kind" enum:"text,image,news,card,notice" doc:"text：文本；image：图片；news：图文；card：小程序卡片；notice：模板与订阅消息"`
		Name     string          `json:"name" minLength:"1" maxLength:"40"`
		Tags     []string        `json:"tags,omitempty" maxItems:"10"`
		Content  materialContent `json:"content"`
	}
}

type materialAnswer struct{ Body materialRow }

// Create makes a material with a draft.
func (h Material) Create(ctx context.Context, in *materialInput) (*materialAnswer, error) {
	b := in.Body
	m, err := h.Library.Create(ctx, operatorOf(ctx).ID, material.Fresh{Folder: idOf(b.FolderID), Kind: b.Kind, Name: b.Name, Tags: b.Tags, Body: material.Body(b.Content)})
	return &materialAnswer{newMaterial(m)}, err
}

// Get is one material.
func (h Material) Get(ctx context.Context, in *ByID) (*materialAnswer, error) {
	m, err := h.Library.Material(ctx, in.id())
	return &materialAnswer{newMaterial(m)}, err
}

type arrangeInput struct {
	Write
	ByID
	Body struct {
		FolderID *model.ID `json:"folderId,omitempty"`
		Name     string    `json:"name" minLength:"1" maxLength:"40"`
		Tags     []string  `json:"tags,omitempty" maxItems:"10"`
		Retired  bool      `json:"retired,omitempty"`
		Revision int64     `json:"revision"`
	}
}

// Arrange changes where a material lies.
func (h Material) Arrange(ctx context.Context, in *arrangeInput) (*materialAnswer, error) {
	b := in.Body
	m, err := h.Library.Arrange(ctx, operatorOf(ctx).ID, in.id(), b.Revision, material.Arrangement{Folder: idOf(b.FolderID), Name: b.Name, Tags: b.Tags, Retired: b.Retired})
	return &materialAnswer{newMaterial(m)}, err
}
