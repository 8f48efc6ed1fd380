package audience

import (
	"context"
	"database/sql"
	"fmt"

	"kaimenhong/model"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/audience/internal/db"
)

// The stages of the life with us, as the column has them.
const (
	stagePasser   = 1
	stageWatcher  = 2
	stageCustomer = 3
	stageMember   = 4
	stageFriend   = 5
	stagePartner  = 6
)

// stageDays is how far back the stage looks: a friend who did nothing for 90 days
// is a friend no more.
const stageDays = 90

// stageRules say each stage in words; docs/audience.md has the same.
var stageRules = [...]string{
	stagePasser:   "没有关注，没有绑定，近90天没有任何互动",
	stageWatcher:  "已关注，或近90天有互动，还没有绑定手机号",
	stageCustomer: "已绑定手机号",
	stageMember:   "已绑定手机号，且近90天签到、兑换积分、充值、办理流量包或购买至少1次",
	stageFriend:   "已绑定手机号，且近90天为好友助力、发起红包或分享至少1次",
	stagePartner:  "已绑定手机号，且近90天助力至少5次，或分享至少3次",
}

// StageInfo is a stage with its rule.
type StageInfo struct {
	Key   string `json:"key"`
	Title string `json:"title"`
	Rule  string `json:"rule"`
}

// Stages are all of them, from the stranger to the partner. The highest rule that holds
// decides.
func Stages() []StageInfo {
	list := make([]StageInfo, 0, len(stageChoices))
	for i, c := range stageChoices {
		list = append(list, StageInfo{c.Key, c.Title, stageRules[i+1]})
	}
	return list
}

// stageOf is the stage of a person who did so much of each kind in stageDays. The
// highest rule that holds decides.
func stageOf(r *row, did map[Kind]int64) int32 {
	bound := r.BoundAt > 0
	switch {
	case bound && (did[Help] >= 5 || did[Share] >= 3):
		return stagePartner
	case bound && did[Help]+did[Play]+did[Share] >= 1:
		return stageFriend
	case bound && did[SignIn]+did[Redeem]+did[TopUp]+did[Pack]+did[Buy] >= 1:
		return stageMember
	case bound:
		return stageCustomer
	case r.Follows || len(did) > 0:
		return stageWatcher
	}
	return stagePasser
}

// The bounds of Restage: rows in one transaction, transactions in one call.
const (
	stageBatch  = 1000
	stageRounds = 100_000
)

// Restage finds everybody's stage anew, for time alone changes it, and answers how
// many changed. A job runs it every night; it may be stopped and called again.
func (a *Audience) Restage(ctx context.Context) (int, error) {
	changed, after := 0, int64(0)
	for range stageRounds {
		rows, err := a.q.PortraitsAfter(ctx, db.PortraitsAfterParams{MemberID: after, Limit: stageBatch})
		if err != nil {
			return changed, fmt.Errorf("read portraits: %w", err)
		}
		if len(rows) == 0 {
			return changed, nil
		}
		ids := make([]int64, len(rows))
		for i := range rows {
			ids[i] = rows[i].MemberID
		}
		n := 0
		err = sqldb.InTx(ctx, a.DB, func(tx *sql.Tx) (err error) {
			n, err = a.restageTx(ctx, tx, ids)
			return err
		})
		if err != nil {
			return changed, fmt.Errorf("find stages: %w", err)
		}
		changed += n
		after = ids[len(ids)-1]
	}
	return changed, nil
}

// restageTx finds the stage of these members anew and answers how many changed.
func (a *Audience) restageTx(ctx context.Context, tx *sql.Tx, ids []int64) (int, error) {
	q, now := a.q.WithTx(tx), a.Now()
	since := model.DayOf(now) - stageDays + 1
	deeds, err := q.DeedsOf(ctx, db.DeedsOfParams{Ids: ids, Day: int32(since)})
	if err != nil {
		return 0, err
	}
	did := map[int64]map[Kind]int64{}
	for _, d := range deeds {
		if did[d.MemberID] == nil {
			did[d.MemberID] = map[Kind]int64{}
		}
		did[d.MemberID][kinds[d.Kind-1].kind] += d.N
	}
	rows, err := q.PortraitsOf(ctx, ids)
	if err != nil {
		return 0, err
	}
	changed := 0
	for i := range rows {
		r := &rows[i]
		stage := stageOf(r, did[r.MemberID])
		if stage == r.Stage {
			continue
		}
		n, err := q.SetStage(ctx, db.SetStageParams{MemberID: r.MemberID, Stage: stage, StagedAt: now.UnixMilli(), Follows: r.Follows, BoundAt: r.BoundAt})
		if err != nil {
			return 0, err
		}
		changed += int(n)
	}
	return changed, nil
}
