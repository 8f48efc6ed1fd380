package handler

import (
	"context"

	"kaimenhong/model"
	campaigns "kaimenhong/service/campaign"
)

type campaignBook interface {
	Get(ctx context.Context, id model.ID) (campaigns.Campaign, error)
	List(ctx context.Context, in campaigns.State, words, cursor string, limit int) ([]campaigns.Campaign, string, error)
	Progress(ctx context.Context, id model.ID) (campaigns.Progress, error)
}

type campaignPlans interface {
	Version(ctx context.Context, id model.ID, version int) (campaigns.Version, error)
	Versions(ctx context.Context, id model.ID) ([]campaigns.Version, error)
	NextTimes(ctx context.Context, spec string) (campaigns.Times, error)
}

type campaignAdvice interface {
	Validate(ctx context.Context, id model.ID, version int) ([]campaigns.Problem, error)
	Explain(ctx context.Context, id model.ID, version int) (campaigns.Explanation, error)
	Preview(ctx context.Context, id model.ID, version int, member model.MemberID) ([]campaigns.Sight, error)
}

type campaignDrafts interface {
	Create(ctx context.Context, by model.ID, p campaigns.Plan) (campaigns.Version, error)
	Save(ctx context.Context, by, id model.ID, version int, edits int64, p campaigns.Plan) (campaigns.Version, error)
	Revise(ctx context.Context, by, id model.ID) (campaigns.Version, error)
}

type campaignCopies interface {
	Copy(ctx context.Context, by, id model.ID, name string) (campaigns.Version, error)
}

type campaignReviews interface {
	Submit(ctx context.Context, by, id model.ID, version int) (campaigns.Version, error)
	Approve(ctx context.Context, by, id model.ID, version int, people int64) (campaigns.Version, error)
	Reject(ctx context.Context, by, id model.ID, version int, why string) (campaigns.Version, error)
}

type campaignRuns interface {
	Schedule(ctx context.Context, by, id model.ID, version int) (campaigns.Campaign, error)
	Release(ctx context.Context, by, id model.ID) (campaigns.Campaign, error)
	Resume(ctx context.Context, by, id model.ID) (campaigns.Campaign, error)
}

type campaignStops interface {
	Pause(ctx context.Context, by, id model.ID, why string) (campaigns.Campaign, error)
	Kill(ctx context.Context, by, id model.ID, why string) (campaigns.Campaign, error)
}

type campaignRehearsed interface {
	LastRehearsal(ctx context.Context, id model.ID, version int) (campaigns.Rehearsal, bool, error)
}

// OpsCampaign plans campaigns, has them checked and lets them run.
type OpsCampaign struct {
	Book    campaignBook
	Plans   campaignPlans
	Advice  campaignAdvice
	Drafts  campaignDrafts
	Copies  campaignCopies
	Reviews campaignReviews
	Runs    campaignRuns
	Stops   campaignStops
	// Rehearsed tells of the last rehearsal beside a plan.
	Rehearsed campaignRehearsed
}

type opsCampaign struct {
	ID          model.ID        `json:"id"`
	Name        string          `json:"name"`
	Goal        campaigns.Goal  `json:"goal" enum:"acquisition,activation,revenue,care" doc:"acquisition 拉新，activation 促活，revenue 增收，care 关怀"`
	State       campaigns.State `json:"state" enum:"draft,review,approved,scheduled,canary,running,paused,stopped,finished"`
	Why         string          `json:"why,omitempty" doc:"暂停或终止的原因"`
	LiveVersion int             `json:"liveVersion" doc:"生效中的版本，0 为尚未生效"`
	LastVersion int             `json:"lastVersion"`
	CopiedFrom  model.ID        `json:"copiedFrom,omitempty"`
	CanaryAt    instant         `json:"canaryAt,omitempty" format:"date-time" doc:"试发从这时看起；还没有人试到时随时间后移"`
	ReleasedAt  instant         `json:"releasedAt,omitempty" format:"date-time" doc:"试发通过、全量发送的时间"`
	EndsAt      instant         `json:"endsAt,omitempty" format:"date-time"`
	CreatedBy   model.ID        `json:"createdBy"`
	CreatedAt   instant         `json:"createdAt" format:"date-time"`
	UpdatedAt   instant         `json:"updatedAt" format:"date-time"`
}

func newOpsCampaign(c campaigns.Campaign) opsCampaign {
	return opsCampaign{
		c.ID, c.Name, c.Goal, c.State, c.Why, c.LiveVersion, c.LastVersion, c.Origin, when(c.CanaryAt), when(c.ReleasedAt),
		when(c.EndsAt), c.CreatedBy, when(c.CreatedAt), when(c.UpdatedAt),
	}
}

type opsVersion struct {
	CampaignID  model.ID        `json:"campaignId"`
	Version     int             `json:"version"`
	State       campaigns.State `json:"state" enum:"draft,review,approved,live,old"`
	Edits       int64           `json:"edits" doc:"保存时要带上，用来发现他人的修改"`
	Plan        opsPlan         `json:"plan"`
	Author      model.ID        `json:"author"`
	EditedAt    instant         `json:"editedAt" format:"date-time"`
	SubmittedBy model.ID        `json:"submittedBy,omitempty"`
	SubmittedAt instant         `json:"submittedAt,omitempty" format:"date-time"`
	People      int64           `json:"people" doc:"冻结的人数，提交后才有"`
	FrozenID    model.ID        `json:"frozenId,omitempty" doc:"冻结的人群"`
	DecidedBy   model.ID        `json:"decidedBy,omitempty"`
	DecidedAt   instant         `json:"decidedAt,omitempty" format:"date-time"`
	Why         string          `json:"why,omitempty" doc:"退回的原因"`
	Rehearsal   *opsRehearsal   `json:"rehearsal,omitempty" doc:"这一版最近一次预演，只在查看单个版本时有"`
}

func newOpsVersion(v campaigns.Version) opsVersion {
	return opsVersion{
		v.Campaign, v.Version, v.State, v.Edits, newOpsPlan(v.Plan), v.Author, when(v.EditedAt), v.SubmittedBy, when(v.SubmittedAt),
		v.FrozenSize, v.Frozen, v.DecidedBy, when(v.DecidedAt), v.Why, nil,
	}
}

type (
	opsCampaignAnswer struct{ Body opsCampaign }
	opsVersionAnswer  struct{ Body opsVersion }
)

// ByVersion is part of the input of what is about one version of a plan.
type ByVersion struct {
	ByID
	Version int `path:"version" minimum:"1" maximum:"100"`
}

func oneCampaign(c campaigns.Campaign, err error) (*opsCampaignAnswer, error) {
	return &opsCampaignAnswer{newOpsCampaign(c)}, err
}

func onePlan(v campaigns.Version, err error) (*opsVersionAnswer, error) {
	return &opsVersionAnswer{newOpsVersion(v)}, err
}

type campaignsInput struct {
	Page
	Words
	State campaigns.State `query:"state" enum:"draft,review,approved,scheduled,canary,running,paused,stopped,finished" doc:"只列该状态的活动；review 为待审核，含进行中活动的待审变更。不填则列全部"`
}

// List lists the campaigns, newest first.
func (h OpsCampaign) List(ctx context.Context, in *campaignsInput) (*listAnswer[opsCampaign], error) {
	page, next, err := h.Book.List(ctx, in.State, in.Words.Words, in.Cursor, in.Limit)
	return listed(page, next, err, newOpsCampaign)
}

// Get is one campaign.
func (h OpsCampaign) Get(ctx context.Context, in *ByID) (*opsCampaignAnswer, error) {
	return oneCampaign(h.Book.Get(ctx, in.id()))
}

type planInput struct {
	Write
	Body opsPlan
}

// Create saves a new draft.
func (h OpsCampaign) Create(ctx context.Context, in *planInput) (*opsVersionAnswer, error) {
	return onePlan(h.Drafts.Create(ctx, operatorOf(ctx).ID, in.Body.plan()))
}

// Versions lists the versions of a campaign, the last first.
func (h OpsCampaign) Versions(ctx context.Context, in *ByID) (*listAnswer[opsVersion], error) {
	page, err := h.Plans.Versions(ctx, in.id())
	return listed(page, "", err, newOpsVersion)
}

// Version is one version, with its last rehearsal.
func (h OpsCampaign) Version(ctx context.Context, in *ByVersion) (*opsVersionAnswer, error) {
	out, err := onePlan(h.Plans.Version(ctx, in.id(), in.Version))
	if err != nil {
		return nil, err
	}
	last, there, err := h.Rehearsed.LastRehearsal(ctx, in.id(), in.Version)
	if err == nil && there {
		r := newOpsRehearsal(last)
		out.Body.Rehearsal = &r
	}
	return out, err
}

type saveInput struct {
	Write
	ByVersion
	Body struct {
		Edits int64   `json:"edits" minimum:"1" doc:"读到的 edits"`
		Plan  opsPlan `json:"plan"`
	}
}

// Save replaces the plan of a draft.
func (h OpsCampaign) Save(ctx context.Context, in *saveInput) (*opsVersionAnswer, error) {
	return onePlan(h.Drafts.Save(ctx, operatorOf(ctx).ID, in.id(), in.Version, in.Body.Edits, in.Body.Plan.plan()))
}

// CampaignWrite is part of the input of what changes a campaign.
type CampaignWrite struct {
	Write
	ByID
}

// Revise begins another version of a live campaign.
func (h OpsCampaign) Revise(ctx context.Context, in *CampaignWrite) (*opsVersionAnswer, error) {
	return onePlan(h.Drafts.Revise(ctx, operatorOf(ctx).ID, in.id()))
}

type copyInput struct {
	CampaignWrite
	Body struct {
		Name string `json:"name,omitempty" maxLength:"32" doc:"新活动的名称，缺省与原活动相同"`
	}
}

// Copy begins a new campaign from another one.
func (h OpsCampaign) Copy(ctx context.Context, in *copyInput) (*opsVersionAnswer, error) {
	return onePlan(h.Copies.Copy(ctx, operatorOf(ctx).ID, in.id(), in.Body.Name))
}

// VersionWrite is part of the input of what changes a version.
type VersionWrite struct {
	Write
	ByVersion
}

// Submit freezes the audience and hands the plan to a checker.
func (h OpsCampaign) Submit(ctx context.Context, in *VersionWrite) (*opsVersionAnswer, error) {
	return onePlan(h.Reviews.Submit(ctx, operatorOf(ctx).ID, in.id(), in.Version))
}

type approveInput struct {
	VersionWrite
	Body struct {
		People int64 `json:"people" minimum:"1" doc:"确认的人数，须与冻结的人数一致"`
	}
}

// Approve is the word of a second person.
func (h OpsCampaign) Approve(ctx context.Context, in *approveInput) (*opsVersionAnswer, error) {
	return onePlan(h.Reviews.Approve(ctx, operatorOf(ctx).ID, in.id(), in.Version, in.Body.People))
}

type whyBody struct {
	Why string `json:"why" minLength:"1" maxLength:"60" doc:"原因"`
}

type rejectInput struct {
	VersionWrite
	Body whyBody
}

// Reject sends a plan back.
func (h OpsCampaign) Reject(ctx context.Context, in *rejectInput) (*opsVersionAnswer, error) {
	return onePlan(h.Reviews.Reject(ctx, operatorOf(ctx).ID, in.id(), in.Version, in.Body.Why))
}

// Schedule lets an approved version go live.
func (h OpsCampaign) Schedule(ctx context.Context, in *VersionWrite) (*opsCampaignAnswer, error) {
	return oneCampaign(h.Runs.Schedule(ctx, operatorOf(ctx).ID, in.id(), in.Version))
}

// Release ends the canary before its time.
func (h OpsCampaign) Release(ctx context.Context, in *CampaignWrite) (*opsCampaignAnswer, error) {
	return oneCampaign(h.Runs.Release(ctx, operatorOf(ctx).ID, in.id()))
}

// Resume goes on after a pause.
func (h OpsCampaign) Resume(ctx context.Context, in *CampaignWrite) (*opsCampaignAnswer, error) {
	return oneCampaign(h.Runs.Resume(ctx, operatorOf(ctx).ID, in.id()))
}

type stopInput struct {
	CampaignWrite
	Body whyBody
}

// Pause holds everything, within seconds.
func (h OpsCampaign) Pause(ctx context.Context, in *stopInput) (*opsCampaignAnswer, error) {
	return oneCampaign(h.Stops.Pause(ctx, operatorOf(ctx).ID, in.id(), in.Body.Why))
}

// Kill stops a campaign for ever, within seconds.
func (h OpsCampaign) Kill(ctx context.Context, in *stopInput) (*opsCampaignAnswer, error) {
	return oneCampaign(h.Stops.Kill(ctx, operatorOf(ctx).ID, in.id(), in.Body.Why))
}
