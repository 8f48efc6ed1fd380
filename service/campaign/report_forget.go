package campaign

import (
	"context"
	"fmt"

	"kaimenhong/model"
	"kaimenhong/service/campaign/internal/db"
)

// Forget deletes up to a page of what is kept of persons for the reports of campaigns
// that ended more than 38 days ago: their numbers stand, for they no longer change,
// and no longer need to know of whom they are made. It answers how many persons; 0
// when nothing is left to forget.
func (r *Reports) Forget(ctx context.Context) (int, error) {
	now := r.Now()
	ids, err := r.q.ReportsToForget(ctx, db.ReportsToForgetParams{
		EndedBefore: int64(model.At(now.Add(-followUp))), Now: int64(model.At(now)), Limit: 1,
	})
	if err != nil || len(ids) == 0 {
		return 0, err
	}
	members, err := r.q.ReportMembers(ctx, db.ReportMembersParams{CampaignID: ids[0], Limit: int32(r.opts.Page)})
	if err == nil {
		err = r.q.DropReportPeople(ctx, db.DropReportPeopleParams{CampaignID: ids[0], Members: members})
	}
	if err != nil {
		return 0, fmt.Errorf("forget the people of campaign %d: %w", ids[0], err)
	}
	return len(members), nil
}
