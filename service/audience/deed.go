package audience

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"maps"
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
	// Fen is what it cost, all N together; 0 for what costs nothing.
	Fen model.Fen
	// Product is the code of what was bought in the carrier's catalogue; empty: none, or
	// nobody said.
	Product string
	// Ref names the act, so that it counts once for as long as acts are kept: the
	// carrier's id of a purchase, the request of a promise. Empty: the caller hands it
	// in once.
	Ref string
}

// maxRef bounds a Ref, in bytes, as the column has it; maxSpent one act's money.
const (
	maxRef   = 96
	maxSpent = 100_000_00
)

// sum is what stands in one row.
type sum struct{ n, fen int64 }

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
// counts, but for acts with a Ref, which count once.
//
// Errors: ErrAct, ErrTooMany, the store's.
func (a *Audience) Did(ctx context.Context, acts []Act) error {
	_, err := a.did(ctx, acts)
	return err
}

// did is Did, and answers how many acts were not counted before.
func (a *Audience) did(ctx context.Context, acts []Act) (int, error) {
	if len(acts) == 0 {
		return 0, nil
	}
	if len(acts) > MaxActs {
		return 0, ErrTooMany
	}
	for _, act := range acts {
		if act.Kind.code() == 0 || act.Member <= 0 || act.At <= 0 || act.N < 0 || act.N > maxTimes || act.Fen < 0 || act.Fen > maxSpent || len(act.Ref) > maxRef || !product(act.Product) {
			return 0, ErrAct
		}
	}
	var fresh []Act
	err := a.inTx(ctx, func(tx *sql.Tx) (err error) {
		present, err := a.presentTx(ctx, tx, acts)
		if err != nil {
			return err
		}
		if fresh, err = a.onceTx(ctx, tx, present); err != nil {
			return err
		}
		if err := a.ensureTx(ctx, tx, fresh); err != nil {
			return err
		}
		if err := a.stayTx(ctx, tx, present); err != nil {
			return err
		}
		// What was counted before may have come without its product then.
		if err := a.boughtTx(ctx, tx, present); err != nil || len(fresh) == 0 {
			return err
		}
		sums := map[deedKey]sum{}
		for _, act := range fresh {
			key := deedKey{int64(act.Member), act.Kind.code(), int32(model.DayOf(act.At.Time()))}
			sums[key] = sum{sums[key].n + max(1, act.N), sums[key].fen + int64(act.Fen)}
		}
		return a.addDeedsTx(ctx, tx, sums)
	})
	if err != nil {
		return 0, fmt.Errorf("record what members did: %w", err)
	}
	for _, act := range fresh {
		a.acts.WithLabelValues(string(act.Kind)).Add(float64(max(1, act.N)))
	}
	return len(fresh), nil
}

// onceTx leaves out the acts that were counted before, by their Ref, and keeps the
// Refs of the others.
func (a *Audience) onceTx(ctx context.Context, tx *sql.Tx, acts []Act) ([]Act, error) {
	refs := map[string]int32{}
	for _, act := range acts {
		if act.Ref != "" {
			refs[act.Ref] = int32(model.DayOf(act.At.Time()))
		}
	}
	if len(refs) == 0 {
		return acts, nil
	}
	counted, err := a.q.WithTx(tx).Counted(ctx, sorted(refs))
	if err != nil {
		return nil, err
	}
	for _, ref := range counted {
		delete(refs, ref)
	}
	args := make([]any, 0, 2*len(refs))
	for _, ref := range sorted(refs) {
		args = append(args, ref, int64(refs[ref]))
	}
	var fresh []Act
	for _, act := range acts {
		_, is := refs[act.Ref]
		if act.Ref == "" || is {
			fresh = append(fresh, act)
			delete(refs, act.Ref) // twice in one call is once
		}
	}
	return fresh, insertRows(ctx, tx, "audience_once", 2, args)
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
func (a *Audience) addDeedsTx(ctx context.Context, tx *sql.Tx, sums map[deedKey]sum) error {
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
	bySum := map[sum][]deedKey{}
	fresh := maps.Clone(sums)
	for _, d := range standing {
		key := deedKey{d.MemberID, d.Kind, d.Day}
		if n, ok := sums[key]; ok {
			bySum[n] = append(bySum[n], key)
			delete(fresh, key)
		}
	}
	for _, n := range slices.SortedFunc(maps.Keys(bySum), func(x, y sum) int { return cmp.Or(cmp.Compare(x.n, y.n), cmp.Compare(x.fen, y.fen)) }) {
		if err := raiseDeeds(ctx, tx, n, bySum[n]); err != nil {
			return err
		}
	}
	keys := make([]deedKey, 0, len(fresh))
	for key := range fresh {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, deedKey.compare)
	args := make([]any, 0, 5*len(keys))
	for _, key := range keys {
		args = append(args, key.member, key.kind, key.day, fresh[key].n, fresh[key].fen)
	}
	return insertRows(ctx, tx, "audience_deed", 5, args)
}

// raiseDeeds adds the sum to every one of the rows.
func raiseDeeds(ctx context.Context, tx *sql.Tx, more sum, keys []deedKey) error {
	slices.SortFunc(keys, deedKey.compare)
	for part := range slices.Chunk(keys, 100) {
		args := []any{more.n, more.fen}
		for _, key := range part {
			args = append(args, key.member, key.kind, key.day)
		}
		const one = "member_id = ? AND kind = ? AND day = ?"
		where := one + strings.Repeat(" OR "+one, len(part)-1)
		if _, err := tx.ExecContext(ctx, "UPDATE audience_deed SET n = n + ?, fen = COALESCE(fen, 0) + ? WHERE "+where, args...); err != nil {
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
// rows went; it also finishes the deletion of tags and lists that was cut short. It may be stopped and called again at any time.
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
	if err := a.pruneOnce(ctx, before); err != nil {
		return gone, err
	}
	if err := a.pruneBought(ctx, before); err != nil {
		return gone, err
	}
	return gone, a.pruneLeft(ctx)
}

func (a *Audience) pruneOnce(ctx context.Context, before int32) error {
	for range pruneRounds {
		refs, err := a.q.OldOnce(ctx, db.OldOnceParams{Day: before, Limit: pruneBatch})
		if err != nil {
			return fmt.Errorf("find old acts: %w", err)
		}
		if len(refs) == 0 {
			break
		}
		if err := a.q.DropOnce(ctx, refs); err != nil {
			return fmt.Errorf("drop old acts: %w", err)
		}
	}
	return nil
}

// Done is what a member did of one kind on one day.
type Done struct {
	Member model.MemberID
	Kind   Kind
	Day    model.Day
	N      int64
	Fen    model.Fen
}

// MaxDone is how many rows one call of Acts answers at most.
const MaxDone = 20_000

// Acts are what the members after one, up to another, did of the kinds from one day
// to another, both among them, in the order of members, kinds and days. A page never
// ends within a member: the next one begins after its last member. It holds at most
// limit rows (but what one member can have, about 5,000, and MaxDone); none is the end.
// Errors: ErrAct for a kind that is none.
func (a *Audience) Acts(ctx context.Context, after, until model.MemberID, of []Kind, from, to model.Day, limit int) ([]Done, error) {
	codes := make([]int32, len(of))
	for i, k := range of {
		if codes[i] = k.code(); codes[i] == 0 {
			return nil, ErrAct
		}
	}
	if len(codes) == 0 {
		return nil, nil
	}
	// One member has at most len(kinds) × (Retention + 1) rows: less than the smallest page.
	limit = min(max(limit, len(kinds)*(Retention+1)), MaxDone)
	rows, err := a.q.Acts(ctx, db.ActsParams{
		After: int64(after), Through: int64(until), Kinds: codes, FromDay: int32(from), ToDay: int32(to), Limit: int32(limit + 1),
	})
	if err != nil {
		return nil, fmt.Errorf("read what members did: %w", err)
	}
	if len(rows) > limit {
		cut := rows[limit].MemberID
		rows = rows[:slices.IndexFunc(rows, func(d db.AudienceDeed) bool { return d.MemberID == cut })]
	}
	done := make([]Done, 0, len(rows))
	for _, r := range rows {
		done = append(done, Done{model.MemberID(r.MemberID), kinds[r.Kind-1].kind, model.Day(r.Day), r.N, model.Fen(r.Fen.Int64)})
	}
	return done, nil
}
