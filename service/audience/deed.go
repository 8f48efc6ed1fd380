package audience

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"kaimenhong/model"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/audience/internal/db"
)

// Kind is something that a member does.
type Kind string

// The kinds of deeds.
const (
	Follow Kind = "follow"  // the official account
	Ask    Kind = "ask"     // a question in the chat
	Redeem Kind = "redeem"  // points against a gift
	Help   Kind = "help"    // a friend's pot
	Play   Kind = "play"    // opens a pot
	Share  Kind = "share"   // a card to a friend
	TopUp  Kind = "top_up"  // money onto a number
	Pack   Kind = "pack"    // buys a data pack
	Buy    Kind = "buy"     // buys anything else
	Tap    Kind = "tap"     // a message, a menu, a card
	SignIn Kind = "sign_in" // the daily visit
	Bind   Kind = "bind"    // a number
)

// kinds are numbered for the column; a number is never given again.
var kinds = []struct {
	kind  Kind
	title string
}{
	{Follow, "关注公众号"}, {Ask, "咨询"}, {Redeem, "兑换积分"}, {Help, "为好友助力"}, {Play, "发起众筹红包"}, {Share, "分享"},
	{TopUp, "充值"}, {Pack, "办理流量包"}, {Buy, "购买"}, {Tap, "点击"}, {SignIn, "签到"}, {Bind, "绑定手机号"},
}

// code is the number of the kind, 0 for none of them.
func (k Kind) code() int32 {
	for i := range kinds {
		if kinds[i].kind == k {
			return int32(i + 1) // a few
		}
	}
	return 0
}

// title is the kind in Chinese.
func (k Kind) title() string {
	if code := k.code(); code != 0 {
		return kinds[code-1].title
	}
	return string(k)
}

func kindNames() string {
	names := make([]string, len(kinds))
	for i, k := range kinds {
		names[i] = fmt.Sprintf("%s（%s）", k.kind, k.title)
	}
	return strings.Join(names, "、")
}

// Act is one thing that a member did.
type Act struct {
	Member model.MemberID
	Kind   Kind
	At     model.Millis
	N      int64 // how often; 0 stands for 1
}

// MaxActs is how many acts one call of Did takes.
const MaxActs = 1000

// deedKey is one day of one member's doing of one kind.
type deedKey struct {
	member int64
	kind   int32
	day    int32
}

// Did records what members did, added up by day in China, in one transaction:
// all of it stands, or nothing. A member who is not known yet gets a row. Each call
// counts: the caller hands in an act once.
//
// Errors: ErrAct, ErrTooMany, the store's.
func (a *Audience) Did(ctx context.Context, acts []Act) error {
	if len(acts) == 0 {
		return nil
	}
	if len(acts) > MaxActs {
		return ErrTooMany
	}
	sums := map[deedKey]int64{}
	for _, act := range acts {
		code := act.Kind.code()
		if code == 0 || act.Member <= 0 || act.At <= 0 || act.N < 0 || act.N > maxTimes {
			return ErrAct
		}
		key := deedKey{int64(act.Member), code, int32(model.DayOf(act.At.Time()))}
		sums[key] += max(1, act.N)
	}
	err := a.inTx(ctx, func(tx *sql.Tx) error {
		if err := a.ensureTx(ctx, tx, acts); err != nil {
			return err
		}
		return a.addDeedsTx(ctx, tx, sums)
	})
	if err != nil {
		return fmt.Errorf("record what members did: %w", err)
	}
	for _, act := range acts {
		a.acts.WithLabelValues(string(act.Kind)).Add(float64(max(1, act.N)))
	}
	return nil
}

// ensureTx makes a row for every member who has none.
func (a *Audience) ensureTx(ctx context.Context, tx *sql.Tx, acts []Act) error {
	first := map[int64]model.Millis{}
	for _, act := range acts {
		if at, ok := first[int64(act.Member)]; !ok || act.At < at {
			first[int64(act.Member)] = act.At
		}
	}
	ids := sorted(first)
	known, err := a.q.WithTx(tx).PortraitIDs(ctx, ids)
	if err != nil {
		return err
	}
	var rows []row
	for _, id := range ids {
		if !slices.Contains(known, id) {
			r := blank(id)
			r.JoinedAt, r.Stage, r.StagedAt = int64(first[id]), stageWatcher, int64(first[id])
			rows = append(rows, r)
		}
	}
	return insertPortraits(ctx, tx, rows)
}

// addDeedsTx adds the sums to what stands. Rows are taken in the order of their
// key, so that two batches do not wait for each other in a circle.
func (a *Audience) addDeedsTx(ctx context.Context, tx *sql.Tx, sums map[deedKey]int64) error {
	members := map[int64]bool{}
	oldest := int32(maxDay)
	for key := range sums {
		members[key.member] = true
		oldest = min(oldest, key.day)
	}
	standing, err := a.q.WithTx(tx).DeedsOf(ctx, db.DeedsOfParams{Ids: sorted(members), Day: oldest})
	if err != nil {
		return err
	}
	byN := map[int64][]deedKey{}
	fresh := make(map[deedKey]int64, len(sums))
	for key, n := range sums {
		fresh[key] = n
	}
	for _, d := range standing {
		key := deedKey{d.MemberID, d.Kind, d.Day}
		if n, ok := sums[key]; ok {
			byN[n] = append(byN[n], key)
			delete(fresh, key)
		}
	}
	for _, n := range sorted(byN) {
		if err := raiseDeeds(ctx, tx, n, byN[n]); err != nil {
			return err
		}
	}
	keys := make([]deedKey, 0, len(fresh))
	for key := range fresh {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, deedKey.compare)
	args := make([]any, 0, 4*len(keys))
	for _, key := range keys {
		args = append(args, key.member, key.kind, key.day, fresh[key])
	}
	return insertRows(ctx, tx, "audience_deed", 4, args)
}

// raiseDeeds adds n to every one of the rows.
func raiseDeeds(ctx context.Context, tx *sql.Tx, n int64, keys []deedKey) error {
	slices.SortFunc(keys, deedKey.compare)
	for part := range slices.Chunk(keys, 100) {
		args := []any{n}
		for _, key := range part {
			args = append(args, key.member, key.kind, key.day)
		}
		const one = "member_id = ? AND kind = ? AND day = ?"
		where := one + strings.Repeat(" OR "+one, len(part)-1)
		if _, err := tx.ExecContext(ctx, "UPDATE audience_deed SET n = n + ? WHERE "+where, args...); err != nil {
			return fmt.Errorf("add to deeds: %w", err)
		}
	}
	return nil
}

func (k deedKey) compare(o deedKey) int {
	for _, d := range []int64{k.member - o.member, int64(k.kind - o.kind), int64(k.day - o.day)} {
		if d < 0 {
			return -1
		}
		if d > 0 {
			return 1
		}
	}
	return 0
}

// pruneBatch bounds one transaction of Prune, pruneRounds one call.
const (
	pruneBatch  = 500
	pruneRounds = 10_000
)

// Prune forgets what was done more than Retention days ago and answers how many
// rows went. It may be stopped and called again at any time.
func (a *Audience) Prune(ctx context.Context) (int64, error) {
	before := int32(model.DayOf(a.Now()) - Retention + 1)
	var gone int64
	for code := range kinds {
		for range pruneRounds {
			ids, err := a.q.OldDeeds(ctx, db.OldDeedsParams{Kind: int32(code + 1), Day: before, Limit: pruneBatch})
			if err != nil {
				return gone, fmt.Errorf("find old deeds: %w", err)
			}
			if len(ids) == 0 {
				break
			}
			var n int64
			err = sqldb.InTx(ctx, a.DB, func(tx *sql.Tx) (err error) {
				n, err = a.q.WithTx(tx).DropOldDeeds(ctx, db.DropOldDeedsParams{Ids: ids, Day: before})
				return err
			})
			if err != nil {
				return gone, fmt.Errorf("drop old deeds: %w", err)
			}
			gone += n
		}
	}
	return gone, nil
}
