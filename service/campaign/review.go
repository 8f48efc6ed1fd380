package campaign

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"kaimenhong/model"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/campaign/internal/db"
)

// maxWhy is how long a reason may be, in characters; it fits the column.
const maxWhy = 60

func checkWhy(why string) (string, error) {
	why = strings.TrimSpace(why)
	if why == "" || utf8.RuneCountInString(why) > maxWhy {
		return "", ErrWhy
	}
	return why, nil
}

// Submit freezes the audience of a draft and hands the plan to a checker. A call that
// was cut off is repeated: it goes on where it stopped.
//
// Errors: ErrVersion, ErrPlan with everything that is wrong, ErrState, ErrOld.
func (c *Campaigns) Submit(ctx context.Context, by, id model.ID, version int) (Version, error) {
	v, err := c.Version(ctx, id, version)
	if err != nil {
		return v, err
	}
	if v.State != Draft {
		return v, ErrState.Saying("版本%d已经提交过了", version)
	}
	found, err := c.Get(ctx, id)
	if err != nil {
		return v, err
	}
	if found.State == Finished || found.State == Stopped {
		return v, ErrState.Saying("活动已结束，请复制成一个新活动")
	}
	if err := c.sound(ctx, v); err != nil {
		return v, err
	}
	// One audience for a wording of the plan: sent back and submitted again, it is
	// frozen anew.
	request := model.RequestID(fmt.Sprintf("campaign/%s/%d/%d", id, version, v.Edits))
	frozen, size, err := c.Frozen.Freeze(ctx, v.Plan.Segment, request)
	if err != nil {
		return v, fmt.Errorf("freeze the audience: %w", err)
	}
	if size == 0 {
		return v, ErrPlan.Saying("这个人群现在没有人，请放宽条件或先导入客户")
	}
	err = sqldb.InTx(ctx, c.DB, func(tx *sql.Tx) error {
		if err := c.submittedTx(ctx, tx, &v.Plan); err != nil {
			return err
		}
		n, err := c.q.WithTx(tx).SubmitVersion(ctx, db.SubmitVersionParams{
			CampaignID: int64(id), Version: int32(version), SubmittedBy: int64(by), Now: c.millis(),
			FrozenID: int64(frozen), FrozenSize: size, Edits: v.Edits,
		})
		if err != nil {
			return err
		}
		if n == 0 {
			return ErrOld
		}
		return c.record(ctx, tx, by, "submit", id, inVersion{Version: version, People: size})
	})
	if err != nil {
		return v, fmt.Errorf("submit a plan: %w", err)
	}
	return c.Version(ctx, id, version)
}

// sound refuses a plan that is not to be reviewed or scheduled.
func (c *Campaigns) sound(ctx context.Context, v Version) error {
	found, err := c.troubles(ctx, v)
	if err != nil {
		return err
	}
	return problems(found)
}

// troubles are all that is wrong with a saved version.
func (c *Campaigns) troubles(ctx context.Context, v Version) ([]Problem, error) {
	fired, err := c.fired(ctx, c.q, v.Campaign)
	if err != nil {
		return nil, err
	}
	found, err := c.validate(ctx, &v.Plan, fired)
	if err != nil {
		return nil, err
	}
	more, err := c.kept(ctx, v, fired)
	if err != nil {
		return nil, err
	}
	waited, err := c.waited(ctx, v)
	return slices.Concat(found, more, waited), err
}

// fired are the steps of a campaign that were pushed at least once.
func (c *Campaigns) fired(ctx context.Context, q *db.Queries, id model.ID) (map[model.ID]bool, error) {
	last, err := q.LastOccurrences(ctx, int64(id))
	if err != nil {
		return nil, fmt.Errorf("read the last times: %w", err)
	}
	fired := make(map[model.ID]bool, len(last))
	for _, l := range last {
		fired[model.ID(l.StepID)] = true
	}
	return fired, nil
}

// kept refuses another instant for a step that was pushed: everybody would get it
// again; and that a test begins or ends with it, which divides whom it goes to.
func (c *Campaigns) kept(ctx context.Context, v Version, fired map[model.ID]bool) ([]Problem, error) {
	if len(fired) == 0 {
		return nil, nil
	}
	found, err := c.Get(ctx, v.Campaign)
	if err != nil || found.LiveVersion == 0 {
		return nil, err
	}
	live, err := c.Version(ctx, v.Campaign, found.LiveVersion)
	if err != nil {
		return nil, err
	}
	var wrong []Problem
	for i, s := range v.Plan.Steps {
		before, ok := live.Plan.step(s.ID)
		if ok && fired[s.ID] && (before.Winner == nil) != (s.Winner == nil) {
			wrong = append(wrong, Problem{fmt.Sprintf("steps[%d].winner", i), s.title(i) + "已经推送过，不能再加上或去掉选优规则，否则收到过的人会再收到，或其余的人都收不到；请新增一个步骤"})
		}
		if ok && fired[s.ID] && before.When != s.When && (before.When.Kind == AtInstant || s.When.Kind == AtInstant) {
			wrong = append(wrong, Problem{fmt.Sprintf("steps[%d].when", i), s.title(i) + "已经推送过，不能再改时间；要再推一次请新增一个步骤"})
		}
	}
	return wrong, nil
}

// waited refuses another segment for a step that waits for people to come into one, or
// that waited for something else: who was in the new one already would seem to have come.
func (c *Campaigns) waited(ctx context.Context, v Version) ([]Problem, error) {
	var wrong []Problem
	for i, s := range v.Plan.Steps {
		if s.When.Kind != OnEvent || s.When.Event != JoinedSegment {
			continue
		}
		all, err := c.Versions(ctx, v.Campaign)
		if err != nil {
			return nil, err
		}
		for _, before := range all {
			was, ok := before.Plan.step(s.ID)
			if ok && (before.State == Live || before.State == Old) && was.When.Kind == OnEvent && before.Plan.awaits(was) != v.Plan.awaits(s) {
				wrong = append(wrong, Problem{fmt.Sprintf("steps[%d].when", i), s.title(i) + "已经在等待别的事，不能改成等待这个人群，否则原来就在人群里的人都会收到；请新增一个步骤"})
				break
			}
		}
	}
	return wrong, nil
}

// awaits is the segment that the step waits for people to come into; 0: it waits for
// something else.
func (p *Plan) awaits(s Step) model.ID {
	if s.When.Event != JoinedSegment {
		return 0
	}
	return cmp.Or(s.When.Segment, p.Segment)
}

// Approve is the word of a second person who confirms how many people it is about.
//
// Errors: ErrVersion, ErrChecker, ErrCount, ErrState.
func (c *Campaigns) Approve(ctx context.Context, by, id model.ID, version int, people int64) (Version, error) {
	v, err := c.Version(ctx, id, version)
	if err != nil {
		return v, err
	}
	err = sqldb.InTx(ctx, c.DB, func(tx *sql.Tx) error {
		n, err := c.q.WithTx(tx).ApproveVersion(ctx, db.ApproveVersionParams{
			CampaignID: int64(id), Version: int32(version), Checker: int64(by), FrozenSize: people, Now: c.millis(),
		})
		if err != nil {
			return err
		}
		if n == 0 {
			return notApproved(v, by, people)
		}
		return c.record(ctx, tx, by, "approve", id, inVersion{Version: version, People: people})
	})
	if err != nil {
		return v, fmt.Errorf("approve a plan: %w", err)
	}
	return c.Version(ctx, id, version)
}

// notApproved says why the UPDATE met no row.
func notApproved(v Version, by model.ID, people int64) error {
	switch {
	case v.State != Review:
		return ErrState.Saying("版本%d不在待审批状态", v.Version)
	case v.Author == by || v.SubmittedBy == by:
		return ErrChecker
	case v.FrozenSize != people:
		return ErrCount.Saying("您确认的是%d人，冻结的人群是%d人，请核对后重新确认", people, v.FrozenSize)
	}
	return ErrOld
}

// Reject sends a plan back to its author, or takes it back, with what is to be
// mended; also one that is approved and not live yet.
//
// Errors: ErrVersion, ErrWhy, ErrState.
func (c *Campaigns) Reject(ctx context.Context, by, id model.ID, version int, why string) (Version, error) {
	why, err := checkWhy(why)
	if err != nil {
		return Version{}, err
	}
	if _, err := c.Version(ctx, id, version); err != nil {
		return Version{}, err
	}
	err = sqldb.InTx(ctx, c.DB, func(tx *sql.Tx) error {
		n, err := c.q.WithTx(tx).ReturnVersion(ctx, db.ReturnVersionParams{
			CampaignID: int64(id), Version: int32(version), DecidedBy: int64(by), Now: c.millis(), Why: why,
		})
		if err != nil {
			return err
		}
		if n == 0 {
			return ErrState.Saying("版本%d不在待审批或已批准状态，不能退回", version)
		}
		return c.record(ctx, tx, by, "reject", id, inVersion{Version: version, Why: why})
	})
	if err != nil {
		return Version{}, fmt.Errorf("send a plan back: %w", err)
	}
	return c.Version(ctx, id, version)
}
