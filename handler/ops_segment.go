package handler

import (
	"context"

	"kaimenhong/model"
	"kaimenhong/model/fault"
	crowd "kaimenhong/service/audience"
)

type segmentView struct {
	ID        model.ID `json:"id"`
	Name      string   `json:"name"`
	Tree      any      `json:"tree" doc:"条件树，见 docs/audience.md"`
	Version   int64    `json:"version" doc:"修改时带上，以免覆盖他人的修改"`
	Operator  model.ID `json:"operatorId"`
	CreatedAt instant  `json:"createdAt" format:"date-time"`
	UpdatedAt instant  `json:"updatedAt" format:"date-time"`

	ArchivedAt instant `json:"archivedAt,omitempty" format:"date-time" doc:"何时归档；没有则未归档"`

	Sentence string          `json:"sentence,omitempty" doc:"一句话说明；有问题时没有"`
	Problems []crowd.Problem `json:"problems,omitempty" doc:"为什么现在不能使用"`
	UsedBy   []string        `json:"usedBy,omitempty" doc:"正在使用它的人群和活动，最多各几个；只在查看一个时有"`
}

// segment shows a saved one in words.
func (h OpsAudience) segment(ctx context.Context, s crowd.Segment) (segmentView, error) {
	v := segmentView{
		ID: s.ID, Name: s.Name, Tree: s.Tree, Version: s.Version, Operator: s.Operator, CreatedAt: when(s.CreatedAt), UpdatedAt: when(s.UpdatedAt),
		ArchivedAt: when(s.ArchivedAt),
	}
	var err error
	v.Sentence, v.Problems, err = h.Crowd.Say(ctx, s)
	return v, err
}

type segmentsInput struct {
	Page
	Words
	Archived bool `query:"archived" doc:"只列出已归档的；缺省只列出未归档的"`
}

// Segments lists the newest first, without those that are archived or those alone.
func (h OpsAudience) Segments(ctx context.Context, in *segmentsInput) (*listAnswer[segmentView], error) {
	page, next, err := h.Crowd.Segments(ctx, in.Archived, in.Words.Words, in.Cursor, in.Limit)
	if err != nil {
		return nil, err
	}
	views := make([]segmentView, len(page))
	for i, s := range page {
		if views[i], err = h.segment(ctx, s); err != nil {
			return nil, err
		}
	}
	return listed(views, next, nil, same)
}

func (h OpsAudience) segmentAnswered(ctx context.Context, s crowd.Segment, err error) (*oneAnswer[segmentView], error) {
	if err != nil {
		return nil, err
	}
	return answered(h.segment(ctx, s))
}

// Segment shows one, and who uses it.
func (h OpsAudience) Segment(ctx context.Context, in *ByID) (*oneAnswer[segmentView], error) {
	s, err := h.Crowd.Segment(ctx, in.id())
	if err != nil {
		return nil, err
	}
	v, err := h.segment(ctx, s)
	if err == nil {
		v.UsedBy, err = h.Crowd.SegmentUsers(ctx, s.ID)
	}
	return answered(v, err)
}

type segmentInput struct {
	Write
	Body struct {
		Name string `json:"name" minLength:"1" maxLength:"20"`
		Tree any    `json:"tree"`
	}
}

// CreateSegment saves a new one.
func (h OpsAudience) CreateSegment(ctx context.Context, in *segmentInput) (*oneAnswer[segmentView], error) {
	tree, err := treeOf(in.Body.Tree)
	if err != nil {
		return nil, err
	}
	s, err := h.Crowd.CreateSegment(ctx, operatorOf(ctx).ID, in.Body.Name, tree)
	return h.segmentAnswered(ctx, s, err)
}

type segmentChange struct {
	Write
	ByID
	Body struct {
		Name    string `json:"name" minLength:"1" maxLength:"20"`
		Tree    any    `json:"tree"`
		Version int64  `json:"version" minimum:"1"`
	}
}

// UpdateSegment saves a new version.
func (h OpsAudience) UpdateSegment(ctx context.Context, in *segmentChange) (*oneAnswer[segmentView], error) {
	tree, err := treeOf(in.Body.Tree)
	if err != nil {
		return nil, err
	}
	s, err := h.Crowd.UpdateSegment(ctx, operatorOf(ctx).ID, crowd.Segment{ID: in.id(), Name: in.Body.Name, Tree: tree, Version: in.Body.Version})
	return h.segmentAnswered(ctx, s, err)
}

// DeleteSegment removes one that nobody uses.
func (h OpsAudience) DeleteSegment(ctx context.Context, in *bareWriteByID) (*empty, error) {
	return nil, h.Crowd.DeleteSegment(ctx, operatorOf(ctx).ID, in.id())
}

// ArchiveSegment puts one away that nothing uses any more.
func (h OpsAudience) ArchiveSegment(ctx context.Context, in *bareWriteByID) (*oneAnswer[segmentView], error) {
	s, err := h.Crowd.ArchiveSegment(ctx, operatorOf(ctx).ID, in.id())
	return h.segmentAnswered(ctx, s, err)
}

// RestoreSegment takes one back.
func (h OpsAudience) RestoreSegment(ctx context.Context, in *bareWriteByID) (*oneAnswer[segmentView], error) {
	s, err := h.Crowd.RestoreSegment(ctx, operatorOf(ctx).ID, in.id())
	return h.segmentAnswered(ctx, s, err)
}

type treeInput struct {
	Body struct {
		Tree any `json:"tree"`
	}
}

type checkInput struct {
	Body struct {
		Tree    any    `json:"tree"`
		Segment string `json:"segmentId,omitempty" pattern:"^[1-9][0-9]{0,18}$" doc:"正在修改的人群，用来发现循环引用"`
	}
}

type checkAnswer struct {
	Problems []crowd.Problem `json:"problems" doc:"没有则可用"`
	Sentence string          `json:"sentence,omitempty" doc:"一句话说明"`
}

// Check tells what is wrong with a tree, or says it in a sentence.
func (h OpsAudience) Check(ctx context.Context, in *checkInput) (*oneAnswer[checkAnswer], error) {
	out := checkAnswer{Problems: []crowd.Problem{}}
	tree, err := treeOf(in.Body.Tree)
	if err != nil {
		out.Problems = append(out.Problems, crowd.Problem{Text: fault.Of(err).Text})
		return answered(out, nil)
	}
	found, err := h.Crowd.Validate(ctx, tree, ByID{in.Body.Segment}.id())
	if err != nil || len(found) > 0 {
		out.Problems = found
		return answered(out, err)
	}
	out.Sentence, err = h.Crowd.Explain(ctx, tree)
	return answered(out, err)
}

// Estimate is a count while one types, marked as what it is.
func (h OpsAudience) Estimate(ctx context.Context, in *treeInput) (*oneAnswer[crowd.Estimate], error) {
	tree, err := treeOf(in.Body.Tree)
	if err != nil {
		return nil, err
	}
	return answered(h.Crowd.Estimate(ctx, tree))
}

type countAnswer struct {
	Count int64 `json:"count"`
}

// Count is exact.
func (h OpsAudience) Count(ctx context.Context, in *treeInput) (*oneAnswer[countAnswer], error) {
	tree, err := treeOf(in.Body.Tree)
	if err != nil {
		return nil, err
	}
	n, err := h.Crowd.Count(ctx, tree)
	return answered(countAnswer{n}, err)
}

type sampleInput struct {
	Body struct {
		Tree  any `json:"tree"`
		Count int `json:"count,omitempty" minimum:"1" maximum:"50" default:"10"`
	}
}

type sampled struct {
	Member model.MemberID `json:"memberId"`
	Name   string         `json:"name" doc:"脱敏"`
	Phone  string         `json:"phone" doc:"脱敏"`
	Stage  string         `json:"stage"`
}

// Sample shows some of them, masked, of the operator's regions.
func (h OpsAudience) Sample(ctx context.Context, in *sampleInput) (*listAnswer[sampled], error) {
	tree, err := treeOf(in.Body.Tree)
	if err != nil {
		return nil, err
	}
	ids, err := h.Crowd.Sample(ctx, operatorOf(ctx).Regions, tree, in.Body.Count)
	if err != nil {
		return nil, err
	}
	var people []sampled
	for _, id := range ids {
		p, err := h.Crowd.Portrait(ctx, id)
		if err != nil {
			return nil, err
		}
		people = append(people, sampled{id, p.Name, p.Phone, p.Stage.Title})
	}
	return listed(people, "", nil, func(s sampled) sampled { return s })
}

type whyInput struct {
	Body struct {
		Tree   any    `json:"tree"`
		Member string `json:"memberId" pattern:"^[1-9][0-9]{0,18}$"`
	}
}

// Why tells of every condition whether it holds for one person.
func (h OpsAudience) Why(ctx context.Context, in *whyInput) (*oneAnswer[any], error) {
	tree, err := treeOf(in.Body.Tree)
	if err != nil {
		return nil, err
	}
	member := model.MemberID(ByID{in.Body.Member}.id())
	if err := sees(ctx, member); err != nil {
		return nil, err
	}
	why, err := h.Crowd.WhyIn(ctx, tree, member)
	return answered[any](why, err)
}
