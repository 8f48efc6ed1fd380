package handler

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"slices"
	"strconv"
	"time"

	"kaimenhong/model"
	"kaimenhong/model/fault"
	"kaimenhong/model/page"
	"kaimenhong/model/sheet"
	crowd "kaimenhong/service/audience"
)

// OpsAudience is who a campaign is for: files, tags, lists, segments, people.
type OpsAudience struct {
	Crowd *crowd.Audience
	Desk  revealer
}

var errTime = fault.New(fault.Invalid, "request.time", "时间应为 RFC 3339，如 2026-02-17T00:00:00+08:00")

type oneAnswer[T any] struct{ Body T }

// answered words one thing.
func answered[T any](v T, err error) (*oneAnswer[T], error) {
	if err != nil {
		return nil, err
	}
	return &oneAnswer[T]{v}, nil
}

type words struct {
	Attributes []crowd.AttributeInfo `json:"attributes" doc:"条件可用的属性"`
	Kinds      []crowd.KindInfo      `json:"kinds" doc:"条件可用的行为"`
	Fields     []crowd.FieldInfo     `json:"fields" doc:"导入文件可对应的字段"`
	Stages     []crowd.StageInfo     `json:"stages" doc:"生命周期的各阶段与规则，由低到高"`
}

// Words are what a console offers for conditions and for columns.
func (h OpsAudience) Words(context.Context, *none) (*oneAnswer[words], error) {
	return answered(words{crowd.Attributes(), crowd.Kinds(), crowd.Fields(), crowd.Stages()}, nil)
}

// CheckImport reads a file of people and tells what importing it would do.
func (h OpsAudience) CheckImport(ctx context.Context, _ *none) (*oneAnswer[crowd.DryRun], error) {
	u, err := uploadOf(ctx)
	if err != nil {
		return nil, err
	}
	return answered(h.Crowd.DryRun(ctx, u))
}

// Import takes a file of people; the same file again goes on, or answers what it did.
func (h OpsAudience) Import(ctx context.Context, _ *Write) (*oneAnswer[crowd.Import], error) {
	u, err := uploadOf(ctx)
	if err != nil {
		return nil, err
	}
	return answered(h.Crowd.Import(ctx, u))
}

func uploadOf(ctx context.Context) (crowd.Upload, error) {
	f, err := formOf(ctx)
	if err != nil {
		return crowd.Upload{}, err
	}
	u := crowd.Upload{Name: f.name, Operator: operatorOf(ctx).ID, File: f.file}
	if f.fields["name"] != "" {
		u.Name = f.fields["name"]
	}
	if text := f.fields["asOf"]; text != "" {
		at, err := time.Parse(time.RFC3339, text)
		if err != nil {
			return u, errTime.With(err)
		}
		u.AsOf = model.At(at)
	}
	u.Mapping, err = f.mapping()
	return u, err
}

func same[T any](v T) T { return v }

// Imports lists the files, newest first, also while one is saved.
func (h OpsAudience) Imports(ctx context.Context, in *Page) (*listAnswer[crowd.Import], error) {
	page, next, err := h.Crowd.Imports(ctx, in.Cursor, in.Limit)
	return listed(page, next, err, same)
}

// GetImport tells how far a file is.
func (h OpsAudience) GetImport(ctx context.Context, in *ByID) (*oneAnswer[crowd.Import], error) {
	return answered(h.Crowd.ImportStatus(ctx, in.id()))
}

// PauseImport stops a file after what is saved.
func (h OpsAudience) PauseImport(ctx context.Context, in *bareWriteByID) (*oneAnswer[crowd.Import], error) {
	return answered(h.Crowd.PauseImport(ctx, operatorOf(ctx).ID, in.id()))
}

// CancelImport ends it for ever; what is saved stays.
func (h OpsAudience) CancelImport(ctx context.Context, in *bareWriteByID) (*oneAnswer[crowd.Import], error) {
	return answered(h.Crowd.CancelImport(ctx, operatorOf(ctx).ID, in.id()))
}

// ResumeImport takes the same file again and goes on after what is saved.
func (h OpsAudience) ResumeImport(ctx context.Context, in *bareWriteByID) (*oneAnswer[crowd.Import], error) {
	u, err := uploadOf(ctx)
	if err != nil {
		return nil, err
	}
	return answered(h.Crowd.ResumeImport(ctx, in.id(), u))
}

type errorsInput struct {
	ByID
	Page
}

// ImportErrors lists the lines that were refused.
func (h OpsAudience) ImportErrors(ctx context.Context, in *errorsInput) (*listAnswer[crowd.LineError], error) {
	if _, err := h.Crowd.ImportStatus(ctx, in.id()); err != nil {
		return nil, err
	}
	page, next, err := h.Crowd.ImportErrors(ctx, in.id(), in.Cursor, in.Limit)
	return listed(page, next, err, same)
}

type fileAnswer struct {
	ContentType string `header:"Content-Type"`
	Disposition string `header:"Content-Disposition"`
	Body        []byte
}

// ImportErrorsFile is all of them as a CSV that a spreadsheet computes nothing of.
func (h OpsAudience) ImportErrorsFile(ctx context.Context, in *ByID) (*fileAnswer, error) {
	if _, err := h.Crowd.ImportStatus(ctx, in.id()); err != nil {
		return nil, err
	}
	var out bytes.Buffer
	out.WriteString("\ufeff") // for spreadsheets, which take UTF-8 by it
	w := csv.NewWriter(&out)
	refused, _, err := page.All(crowd.MaxImportErrors, func(cursor string, limit int) ([]crowd.LineError, string, error) {
		return h.Crowd.ImportErrors(ctx, in.id(), cursor, limit)
	})
	if err != nil {
		return nil, err
	}
	lines := [][]string{{"行号", "原因"}}
	for _, e := range refused {
		lines = append(lines, []string{strconv.FormatInt(e.Line, 10), sheet.Inert(e.Text)})
	}
	if err := w.WriteAll(lines); err != nil {
		return nil, err
	}
	return &fileAnswer{"text/csv; charset=utf-8", `attachment; filename="import-` + in.id().String() + `-errors.csv"`, out.Bytes()}, nil
}

// Purchases counts a file of what people bought.
func (h OpsAudience) Purchases(ctx context.Context, _ *bareWrite) (*oneAnswer[crowd.Purchases], error) {
	f, err := formOf(ctx)
	if err != nil {
		return nil, err
	}
	return answered(h.Crowd.ImportPurchases(ctx, operatorOf(ctx).ID, f.file))
}

// CheckPurchases reads one and saves nothing.
func (h OpsAudience) CheckPurchases(ctx context.Context, _ *none) (*oneAnswer[crowd.Purchases], error) {
	f, err := formOf(ctx)
	if err != nil {
		return nil, err
	}
	return answered(h.Crowd.CheckPurchases(ctx, f.file))
}

// UploadList takes a list of numbers.
func (h OpsAudience) UploadList(ctx context.Context, _ *bareWrite) (*oneAnswer[crowd.ListUpload], error) {
	f, err := formOf(ctx)
	if err != nil {
		return nil, err
	}
	return answered(h.Crowd.UploadList(ctx, operatorOf(ctx).Regions, operatorOf(ctx).ID, f.fields["name"], f.file))
}

// Lists are the newest lists.
func (h OpsAudience) Lists(ctx context.Context, in *Page) (*listAnswer[crowd.List], error) {
	page, next, err := h.Crowd.Lists(ctx, in.Cursor, in.Limit)
	return listed(page, next, err, same)
}

// Tags are all tags.
func (h OpsAudience) Tags(ctx context.Context, _ *none) (*listAnswer[crowd.Tag], error) {
	tags, err := h.Crowd.Tags(ctx)
	return listed(tags, "", err, func(t crowd.Tag) crowd.Tag { return t })
}

// DeleteList removes a list that nobody uses.
func (h OpsAudience) DeleteList(ctx context.Context, in *bareWriteByID) (*empty, error) {
	return nil, h.Crowd.DeleteList(ctx, operatorOf(ctx).ID, in.id())
}

// DeleteTag removes a tag that nobody uses.
func (h OpsAudience) DeleteTag(ctx context.Context, in *bareWriteByID) (*empty, error) {
	return nil, h.Crowd.DeleteTag(ctx, operatorOf(ctx).ID, in.id())
}

type tagInput struct {
	Write
	Body struct {
		Name    string     `json:"name" minLength:"1" maxLength:"20"`
		Members []model.ID `json:"members,omitempty" maxItems:"5000" doc:"没有则只创建标签"`
		Remove  bool       `json:"remove,omitempty" doc:"从这些用户身上取下"`
	}
}

type tagAnswer struct {
	ID      model.ID `json:"id" doc:"标签编号"`
	Changed int      `json:"changed" doc:"有变化的用户数"`
	Unknown int      `json:"unknown" doc:"没有这些编号的用户，已略过"`
}

// Tag makes a tag, puts it on people, or takes it off.
func (h OpsAudience) Tag(ctx context.Context, in *tagInput) (*oneAnswer[tagAnswer], error) {
	members, far, err := h.reached(ctx, in.Body.Members)
	if err != nil {
		return nil, err
	}
	by, done := operatorOf(ctx).ID, crowd.Tagged{}
	switch {
	case len(in.Body.Members) == 0:
		done.Tag, err = h.Crowd.CreateTag(ctx, by, in.Body.Name)
	case in.Body.Remove:
		done, err = h.Crowd.RemoveTag(ctx, by, in.Body.Name, members)
	default:
		done, err = h.Crowd.AddTag(ctx, by, in.Body.Name, members)
	}
	return answered(tagAnswer{done.Tag, done.Changed, done.Unknown + far}, err)
}

// reached are the people who are named, each once, and how many of them live outside the
// operator's regions: these are to him as if there were none.
func (h OpsAudience) reached(ctx context.Context, named []model.ID) (members []model.MemberID, far int, err error) {
	for _, id := range named {
		members = append(members, model.MemberID(id))
	}
	slices.Sort(members)
	members = slices.Compact(members)
	regions := operatorOf(ctx).Regions
	if len(regions) == 0 {
		return members, 0, nil
	}
	here, err := h.Crowd.Living(ctx, regions, members)
	return here, len(members) - len(here), err
}

// Frozen lists the audiences that were used, newest first.
func (h OpsAudience) Frozen(ctx context.Context, in *Page) (*listAnswer[crowd.Frozen], error) {
	page, next, err := h.Crowd.FrozenList(ctx, in.Cursor, in.Limit)
	return listed(page, next, err, same)
}

// treeOf reads a tree strictly. It comes as any JSON, for what is wrong with it is
// told in the audience's words.
func treeOf(v any) (crowd.Node, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return crowd.Node{}, crowd.ErrSegment.With(err)
	}
	return crowd.ParseTree(text)
}
