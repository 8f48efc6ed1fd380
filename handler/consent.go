package handler

import (
	"context"

	"kaimenhong/model"
	"kaimenhong/model/fault"
	"kaimenhong/service/member"
	"kaimenhong/service/notice"
)

type consentBook interface {
	Consents(ctx context.Context, id model.MemberID) ([]member.Consent, error)
	Decide(ctx context.Context, id model.MemberID, decisions []member.Decision, request model.RequestID) error
}

type granter interface {
	Grant(ctx context.Context, member model.MemberID, channel, template string, request model.RequestID) error
}

// selfBook is what a member may do about all that is kept of him.
type selfBook interface {
	ExportMe(ctx context.Context, id model.MemberID) (map[string]any, error)
	Close(ctx context.Context, id model.MemberID, request model.RequestID) error
}

type noticeBook interface {
	List(ctx context.Context, member model.MemberID, cursor string, limit int) ([]notice.Notice, string, error)
	MarkRead(ctx context.Context, member model.MemberID, upTo model.ID) error
}

// Rights are a member's own decisions about what is kept of him and sent to him.
type Rights struct {
	Consents consentBook
	Granter  granter
	Self     selfBook
	Notices  noticeBook
}

type consent struct {
	Purpose   string  `json:"purpose" enum:"marketing,show_to_friends" doc:"用途"`
	Granted   bool    `json:"granted"`
	Version   int     `json:"version" doc:"已答复的文本版本，0 为从未答复"`
	Current   int     `json:"current" doc:"现行文本版本，需要按这个版本重新征求同意"`
	Agrees    bool    `json:"agrees" doc:"对现行文本有效的同意"`
	ChangedAt instant `json:"changedAt,omitempty" format:"date-time"`
}

type consentsAnswer struct {
	Body struct {
		Consents []consent `json:"consents"`
	}
}

// Read lists all purposes with the member's answers.
func (h Rights) Read(ctx context.Context, _ *none) (*consentsAnswer, error) {
	all, err := h.Consents.Consents(ctx, memberOf(ctx))
	if err != nil {
		return nil, err
	}
	out := &consentsAnswer{}
	for _, c := range all {
		out.Body.Consents = append(out.Body.Consents, consent{string(c.Purpose), c.Granted, c.Version, c.Current, c.Agrees(), when(c.ChangedAt)})
	}
	return out, nil
}

type decideInput struct {
	Write
	Body struct {
		Consents []decision `json:"consents" minItems:"1" maxItems:"2" doc:"每种用途最多一项"`
	}
}

type decision struct {
	Purpose string `json:"purpose" enum:"marketing,show_to_friends"`
	Version int    `json:"version" minimum:"1" maximum:"1000000" doc:"用户看到的文本版本"`
	Granted bool   `json:"granted"`
}

// Decide notes the member's answers, all or none.
func (h Rights) Decide(ctx context.Context, in *decideInput) (*consentsAnswer, error) {
	var decisions []member.Decision
	for _, d := range in.Body.Consents {
		decisions = append(decisions, member.Decision{Purpose: member.Purpose(d.Purpose), Version: d.Version, Granted: d.Granted})
	}
	if err := h.Consents.Decide(ctx, memberOf(ctx), decisions, in.request()); err != nil {
		return nil, err
	}
	return h.Read(ctx, nil)
}

// miniChannel is the channel that a subscribe dialogue of the mini-program fills.
const miniChannel = "mini_subscribe"

type subscribeInput struct {
	Write
	Body struct {
		Templates []string `json:"templates" minItems:"1" maxItems:"3" doc:"wx.requestSubscribeMessage 中用户接受（accept）的模板"`
	}
}

// maxTemplateID is the length that a template's id has at most.
const maxTemplateID = 64

var errTemplate = fault.New(fault.Invalid, "subscription.template", "模板编号应为1到64个字符")

// Subscribe notes what the member granted in a subscribe dialogue: one message of
// each template.
func (h Rights) Subscribe(ctx context.Context, in *subscribeInput) (*empty, error) {
	for _, t := range in.Body.Templates {
		if t == "" || len(t) > maxTemplateID {
			return nil, errTemplate
		}
	}
	for _, t := range in.Body.Templates {
		if err := h.Granter.Grant(ctx, memberOf(ctx), miniChannel, t, in.request()); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

type exportAnswer struct {
	Disposition string `header:"Content-Disposition"`
	Body        map[string]any
}

// Export is all that is kept of the member.
func (h Rights) Export(ctx context.Context, _ *none) (*exportAnswer, error) {
	all, err := h.Self.ExportMe(ctx, memberOf(ctx))
	return &exportAnswer{`attachment; filename="export.json"`, all}, err
}

// Close closes the account.
func (h Rights) Close(ctx context.Context, in *bareWrite) (*empty, error) {
	return nil, h.Self.Close(ctx, memberOf(ctx), in.request())
}

type noticeItem struct {
	ID    model.ID `json:"id"`
	Topic string   `json:"topic"`
	Body  string   `json:"body"`
	Read  bool     `json:"read"`
	At    instant  `json:"at" format:"date-time"`
}

// ListNotices lists what the member was told, newest first.
func (h Rights) ListNotices(ctx context.Context, in *Page) (*listAnswer[noticeItem], error) {
	page, next, err := h.Notices.List(ctx, memberOf(ctx), in.Cursor, in.Limit)
	return listed(page, next, err, func(n notice.Notice) noticeItem { return noticeItem{n.ID, n.Topic, n.Body, n.Read, when(n.At)} })
}

type readInput struct {
	Write
	Body struct {
		UpTo model.ID `json:"upTo" doc:"这一条及更早的都已读"`
	}
}

// MarkRead says that all up to one notice were read.
func (h Rights) MarkRead(ctx context.Context, in *readInput) (*empty, error) {
	return nil, h.Notices.MarkRead(ctx, memberOf(ctx), in.Body.UpTo)
}
