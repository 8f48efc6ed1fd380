package campaign

import (
	"context"
	"fmt"
	"strings"

	"kaimenhong/model"
)

// people know what a person lacks to be in a segment.
type people interface {
	// Unmet tells in words which conditions the member does not meet now, none when he is
	// in the segment. It answers a fault of kind NotFound for somebody nobody knows.
	Unmet(ctx context.Context, segment model.ID, member model.MemberID) ([]string, error)
}

// former knows the ids that a person has and had: an audience that was frozen before two
// members became one holds the id of then.
type former interface {
	AllIDs(ctx context.Context, id model.MemberID) ([]model.MemberID, error)
}

// Reasons tell operators how somebody stands to a campaign. Whether a push came is told
// by the pushes.
type Reasons struct {
	*Campaigns
	People people
	Who    former
}

// Reason is how a person stands to a campaign.
type Reason struct {
	Campaign string // its name
	State    State
	In       bool     // he is in the audience that was frozen for the live version
	Unmet    []string // of the audience's conditions now, when he is not
	Sentence string   // why nothing was planned for him; it says more than it need when something was
}

// Why tells how a person stands to a campaign. Errors: ErrUnknown, and of kind NotFound
// for a person nobody knows.
func (r Reasons) Why(ctx context.Context, id model.ID, member model.MemberID) (Reason, error) {
	found, err := r.Get(ctx, id)
	if err != nil {
		return Reason{}, err
	}
	out := Reason{Campaign: found.Name, State: found.State}
	version := found.LiveVersion
	if version == 0 {
		version = found.LastVersion
	}
	v, err := r.Version(ctx, id, version)
	if err != nil {
		return out, err
	}
	if v.Frozen != 0 {
		ids, err := r.Who.AllIDs(ctx, member)
		if err != nil {
			return out, err
		}
		in, err := r.Happened.Among(ctx, v.Frozen, ids)
		if err != nil {
			return out, fmt.Errorf("look for a member in a frozen audience: %w", err)
		}
		out.In = len(in) > 0
	}
	if !out.In && v.Plan.Segment != 0 {
		if out.Unmet, err = r.People.Unmet(ctx, v.Plan.Segment, member); err != nil {
			return out, err
		}
	}
	out.Sentence = out.sentence(found, v, model.At(r.Now()))
	return out, nil
}

// stands are the states in words.
var stands = map[State]string{
	Draft: "还是草稿", Review: "正在等待审批", Approved: "已经批准，还没有排期", Scheduled: "已经排期，还没有到推送的时间",
	Canary: "正在试发，先发给1%的人", Running: "正在进行，各步骤还没有轮到他，或等待的事还没有发生在他身上",
	Paused: "已经暂停", Stopped: "已经终止", Finished: "已经结束，没有一个步骤轮到他",
}

// brief are the states in a word or two.
var brief = map[State]string{
	Draft: "还是草稿", Review: "正在等待审批", Approved: "还没有排期", Scheduled: "已经排期，还没有开始", Canary: "正在试发", Running: "正在进行",
	Paused: "已经暂停", Stopped: "已经终止", Finished: "已经结束",
}

func (r Reason) sentence(c Campaign, v Version, at model.Millis) string {
	now := "活动" + stands[r.State]
	if (r.State == Paused || r.State == Stopped) && c.Why != "" {
		now += "（" + c.Why + "）"
	}
	switch {
	case r.In:
		return "他在活动的人群中。" + now + "。"
	case len(r.Unmet) > 0:
		return "他不在活动的人群中：" + strings.Join(r.Unmet, "；") + "。" + now + "。"
	case v.Frozen == 0:
		return "他现在符合活动的人群条件，提交审批时才冻结人群。" + now + "。"
	}
	return fmt.Sprintf("他不在活动的人群中：人群在%s冻结，他现在符合条件，那时还不符合或还没有导入。%s。", strings.ReplaceAll(shortTime(v.SubmittedAt, at), " ", ""), now)
}
