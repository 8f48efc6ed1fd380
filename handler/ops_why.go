package handler

import (
	"context"
	"strings"

	"kaimenhong/model"
	campaigns "kaimenhong/service/campaign"
	"kaimenhong/service/push"
)

// reasons say how somebody stands to a campaign.
type reasons interface {
	Why(ctx context.Context, campaign model.ID, member model.MemberID) (campaigns.Reason, error)
}

type whyCampaignInput struct {
	ByID
	Member string `query:"memberId" required:"true" pattern:"^[1-9][0-9]{0,18}$" doc:"会员编号"`
}

type whyCampaign struct {
	Campaign string          `json:"campaign" doc:"活动名称"`
	State    campaigns.State `json:"state" enum:"draft,review,approved,scheduled,canary,running,paused,stopped,finished"`
	Sentence string          `json:"sentence" doc:"为什么收到，或没有收到"`
	In       bool            `json:"inAudience" doc:"在冻结的人群中"`
	Unmet    []string        `json:"unmet" doc:"不在人群中时，现在不符合的条件"`
	Pushes   []opsPushItem   `json:"pushes" doc:"为他生成的每一条推送，先生成的在前"`
}

// Why answers a person who asks why he got a campaign's message, or none.
func (h OpsPush) Why(ctx context.Context, in *whyCampaignInput) (*oneAnswer[whyCampaign], error) {
	member := model.MemberID(ByID{in.Member}.id())
	if err := near(ctx, member); err != nil {
		return nil, err
	}
	r, err := h.Reasons.Why(ctx, in.id(), member)
	if err != nil {
		return nil, err
	}
	told, err := h.Told.WhyNot(ctx, member, in.id())
	return answered(newWhyCampaign(r, told), err)
}

func newWhyCampaign(r campaigns.Reason, told []push.Told) whyCampaign {
	out := whyCampaign{r.Campaign, r.State, r.Sentence, r.In, append([]string{}, r.Unmet...), []opsPushItem{}}
	var sentences []string
	for _, t := range told {
		out.Pushes = append(out.Pushes, newOpsPush(t))
		sentences = append(sentences, t.Sentence)
	}
	if len(told) > 0 {
		out.Sentence = strings.Join(sentences, "")
	}
	return out
}
