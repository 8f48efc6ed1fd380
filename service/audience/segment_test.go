package audience_test

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
	"kaimenhong/model/fault"
	"kaimenhong/service/audience"
)

var nodes atomic.Int64

func TestAWrongTreeIsToldWhereAndWhatToDo(t *testing.T) {
	a := open(t, dbtest.SQLite(t), audience.Options{})
	for _, tt := range []struct{ tree, where, says string }{
		{`{}`, "", "请填写一个条件"},
		{`{"and":[{"tag":"x"},{}]}`, "and[0]", "没有标签“x”"},
		{`{"and":[{"stage":["会员"]},{}]}`, "and[1]", "请填写一个条件"},
		{`{"and":[]}`, "", "至少要有一个条件"},
		{`{"tag":"x","stage":["会员"]}`, "", "用and或or连接"},
		{`{"not":{"attribute":"age","op":"eq","value":3}}`, "not", "没有属性“age”"},
		{`{"attribute":"arpu","op":"like","value":3}`, "", "请改用eq、ne"},
		{`{"attribute":"arpu","op":"gte","value":"50"}`, "", "整数（单位：分）"},
		{`{"attribute":"arpu","op":"gte","value":null}`, "", "整数（单位：分）"},
		{`{"attribute":"arpu","op":"gte"}`, "", "整数（单位：分）"},
		{`{"attribute":"arpu","op":"between","value":[9,3]}`, "", "下限不大于上限"},
		{`{"attribute":"arpu","op":"in","value":[]}`, "", "1到50个值"},
		{`{"attribute":"gender","op":"eq","value":"x"}`, "", "请从男、女中选择"},
		{`{"attribute":"follows","op":"eq","value":1}`, "", "true或false"},
		{`{"attribute":"plan","op":"eq","value":""}`, "", "1到20个字"},
		{`{"attribute":"plan","op":"known","value":"x"}`, "", "请去掉value"},
		{`{"did":"fly","days":3}`, "", "没有行为“fly”"},
		{`{"did":"tap"}`, "", "请用days"},
		{`{"did":"tap","days":401}`, "", "1到400"},
		{`{"did":"tap","days":3,"since":"2026-01-01"}`, "", "只能填一个"},
		{`{"did":"tap","since":"2027-01-01"}`, "", "还没有到"},
		{`{"did":"tap","since":"2020-01-01"}`, "", "只保留400天"},
		{`{"did":"tap","since":"1/1"}`, "", "2026-02-17的样子"},
		{`{"did":"tap","days":3,"times":-1}`, "", "次数应为"},
		{`{"stage":[]}`, "", "请选择1到6个阶段"},
		{`{"stage":["神仙"]}`, "", "没有阶段“神仙”"},
		{`{"stage":["会员"],"days":3}`, "", "只用于行为条件"},
		{`{"bucket":{"from":0,"to":100}}`, "", "0到99"},
		{`{"segment":"42"}`, "", "没有编号为42的人群"},
		{`{"list":"42"}`, "", "没有编号为42的名单"},
		{strings.Repeat(`{"not":`, 8) + `{"stage":["会员"]}` + strings.Repeat(`}`, 8), "not.not.not.not.not.not.not.not", "嵌套过深"},
		{`{"or":[` + strings.Repeat(`{"stage":["会员"]},`, 250) + `{"stage":["会员"]}]}`, "or[199]", "条件过多"},
	} {
		n := tree(t, tt.tree)
		found, err := a.Validate(t.Context(), n, 0)
		if err != nil || len(found) == 0 || found[0].Where != tt.where || !strings.Contains(found[0].Text, tt.says) {
			t.Errorf("Validate(%.60s) = %v, %v, want %q at %q", tt.tree, found, err, tt.says, tt.where)
		}
		if _, err := a.Count(t.Context(), n); !errors.Is(err, audience.ErrSegment) {
			t.Errorf("Count(%.60s) = %v, want ErrSegment", tt.tree, err)
		}
	}
}

func TestWhatIsNoTreeIsRefused(t *testing.T) {
	for _, s := range []string{
		``, `[]`, `{"and":{}}`, `{"where":"1=1"}`, `{"tag":"a"} {}`, `{"tag":"` + strings.Repeat("a", 70_000) + `"}`,
		strings.Repeat(`{"not":`, 5000) + `{}` + strings.Repeat(`}`, 5000), `{"segment":"-1"}`,
	} {
		if _, err := audience.ParseTree([]byte(s)); !errors.Is(err, audience.ErrSegment) {
			t.Errorf("ParseTree(%.40q) = %v, want ErrSegment", s, err)
		}
	}
}

func TestATreeIsSaidInOneSentence(t *testing.T) {
	a := open(t, dbtest.SQLite(t), audience.Options{})
	if _, err := a.CreateTag(t.Context(), 1, "投诉"); err != nil {
		t.Fatal(err)
	}
	s, err := a.CreateSegment(t.Context(), 1, "返乡", tree(t, `{"attribute":"city","op":"in","value":["深圳","广州"]}`))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ tree, want string }{
		{`{"and":[{"attribute":"arpu","op":"gte","value":5000},{"attribute":"data1","op":"gte","value":9000},{"didNot":"pack","days":30}]}`,
			"选出近3个月平均ARPU不低于50元，且上月流量使用率不低于90%，且近30天没有“办理流量包”的人。"},
		{`{"or":[{"not":{"tag":"投诉"}},{"and":[{"stage":["朋友","伙伴"]},{"did":"help","since":"2026-02-17","times":3}]}]}`,
			"选出没有标签“投诉”，或（生命周期阶段为朋友或伙伴，且自2026-02-17起“为好友助力”不少于3次）的人。"},
		{fmt.Sprintf(`{"not":{"segment":"%s"}}`, s.ID), "选出不属于人群“返乡”的人。"},
		{`{"attribute":"tenure","op":"between","value":[24,36]}`, "选出网龄在2年到3年之间的人。"},
		{`{"attribute":"interest","op":"in","value":["video","game"]}`, "选出对视频或游戏感兴趣的人。"},
		{`{"attribute":"birth_month","op":"eq","value":2}`, "选出生日在2月的人。"},
		{`{"and":[{"attribute":"follows","op":"eq","value":true},{"bucket":{"from":0,"to":9}}]}`, "选出已关注公众号，且随机分桶在0到9之间的人。"},
		{`{"not":{"or":[{"attribute":"plan","op":"unknown"},{"attribute":"gender","op":"ne","value":"男"}]}}`,
			"选出不符合“套餐未知，或性别已知且不是男”的人。"},
		// Those of whom nothing is known are not among them, and the sentence says so.
		{`{"and":[{"attribute":"plan","op":"ne","value":"大王卡"},{"attribute":"arpu1","op":"ne","value":5000}]}`,
			"选出套餐已知且不是“大王卡”，且上月ARPU已知且不等于50元的人。"},
	} {
		if got, err := a.Explain(t.Context(), tree(t, tt.tree)); got != tt.want || err != nil {
			t.Errorf("Explain = %q, %v, want %q", got, err, tt.want)
		}
	}
}

func TestSegmentsCannotGoRoundInACircle(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		a := open(t, db, audience.Options{})
		first, err := a.CreateSegment(t.Context(), 1, "一", tree(t, `{"stage":["会员"]}`))
		if err != nil {
			t.Fatal(err)
		}
		second, err := a.CreateSegment(t.Context(), 1, "二", tree(t, fmt.Sprintf(`{"not":{"segment":"%s"}}`, first.ID)))
		if err != nil {
			t.Fatal(err)
		}
		stale := first
		for _, n := range []string{fmt.Sprintf(`{"segment":"%s"}`, second.ID), fmt.Sprintf(`{"or":[{"segment":"%s"},{"stage":["会员"]}]}`, first.ID)} {
			first.Tree = tree(t, n)
			if _, err := a.UpdateSegment(t.Context(), 1, first); !errors.Is(err, audience.ErrSegment) || !strings.Contains(text(err), "圈") {
				t.Errorf("UpdateSegment to %s = %v, want the circle told", n, err)
			}
		}
		first.Tree = tree(t, `{"stage":["朋友"]}`)
		if s, err := a.UpdateSegment(t.Context(), 2, first); err != nil || s.Version != 2 || s.Operator != 2 {
			t.Errorf("UpdateSegment = %+v, %v, want version 2", s, err)
		}
		if _, err := a.UpdateSegment(t.Context(), 1, stale); !errors.Is(err, audience.ErrSegmentOld) {
			t.Errorf("UpdateSegment of an old version = %v, want ErrSegmentOld", err)
		}
		if _, err := a.CreateSegment(t.Context(), 1, "一", first.Tree); !errors.Is(err, audience.ErrSegmentTaken) {
			t.Errorf("CreateSegment of a taken name = %v, want ErrSegmentTaken", err)
		}
		// A circle that two hands made at once is found when it is asked.
		if _, err := db.ExecContext(t.Context(), "UPDATE audience_segment SET tree = ? WHERE id = ?", fmt.Sprintf(`{"segment":"%s"}`, second.ID), int64(first.ID)); err != nil {
			t.Fatal(err)
		}
		if _, err := a.Count(t.Context(), tree(t, fmt.Sprintf(`{"segment":"%s"}`, first.ID))); !errors.Is(err, audience.ErrSegment) {
			t.Errorf("Count over a circle = %v, want ErrSegment", err)
		}
		if list, next, err := a.Segments(t.Context(), false, "", "", 1); err != nil || next == "" || len(list) != 1 || list[0].ID != second.ID {
			t.Errorf("Segments = %v, %v, want the newest", list, err)
		}
	})
}

func TestBucketsAreStableAndEven(t *testing.T) {
	for id, want := range map[model.MemberID]int{1: 65, 77: 57, 1 << 40: 41} {
		if got := model.BucketOf(id); got != want {
			t.Errorf("BucketOf(%d) = %d, want %d for ever", id, got, want)
		}
	}
	holdout := 0
	for id := range 100_000 {
		if model.BucketOf(model.MemberID(id)<<22) < 10 {
			holdout++
		}
	}
	if holdout < 9_600 || holdout > 10_400 {
		t.Errorf("%d of 100,000 are in ten buckets, want about 10,000", holdout)
	}
}

// world is what the trees of the property are asked of, kept beside the database.
type world struct {
	people []*human
	tags   []string
	inner  []audience.Segment
}

type human struct {
	id      model.MemberID
	arpu    int64 // fen; -1 unknown
	plan    string
	gender  string
	month   int
	follows bool
	deeds   map[audience.Kind]map[int]int64 // days ago → times
	tags    map[string]bool
}

// makeWorld fills the database through the same doors as production.
func makeWorld(t *testing.T, a *audience.Audience) *world {
	t.Helper()
	w := &world{tags: []string{"甲", "乙"}}
	var file strings.Builder
	file.WriteString("手机号,性别,套餐,上月ARPU,生日\n")
	kinds := []audience.Kind{audience.Help, audience.Pack, audience.Tap}
	var acts []audience.Act
	ids := model.MemberID(1000)
	for i := range 120 {
		ids++
		for i%20 == 19 && model.Mix64(^uint64(ids))%1000 != 0 {
			ids++ // each of these begins a range of Count's
		}
		h := &human{id: ids, arpu: -1, deeds: map[audience.Kind]map[int]int64{}, tags: map[string]bool{}}
		if i%5 != 0 {
			h.arpu = int64(i%7) * 2500
		}
		h.plan = []string{"", "畅享129", "大王卡", "'; DROP TABLE x; --"}[i%4]
		h.gender = []string{"", "男", "女"}[i%3]
		h.month, h.follows = i%13, i%2 == 0
		number := phone(t, fmt.Sprintf("1380000%04d", i))
		if err := observe(t.Context(), a, model.Member{ID: h.id, Phone: number, BoundAt: 5, JoinedAt: 5, Follows: h.follows}); err != nil {
			t.Fatal(err)
		}
		birthday, arpu := "", ""
		if h.month > 0 {
			birthday = fmt.Sprintf("%d-15", h.month)
		}
		if h.arpu >= 0 {
			arpu = fmt.Sprintf("%d", h.arpu/100)
		}
		fmt.Fprintf(&file, "%s,%s,%s,%s,%s\n", number.Digits(), h.gender, h.plan, arpu, birthday)
		for k, kind := range kinds {
			h.deeds[kind] = map[int]int64{}
			if (i>>k)&1 == 1 {
				days := (i * (k + 3)) % 45
				h.deeds[kind][days] += int64(i%4 + 1)
				acts = append(acts, audience.Act{Member: h.id, Kind: kind, At: daysAgo(days), N: int64(i%4 + 1)})
			}
		}
		for j, tag := range w.tags {
			h.tags[tag] = (i/(j+2))%3 == 0
		}
		w.people = append(w.people, h)
	}
	importText(t, a, file.String())
	if err := a.Did(t.Context(), acts); err != nil {
		t.Fatal(err)
	}
	for _, tag := range w.tags {
		var with []model.MemberID
		for _, h := range w.people {
			if h.tags[tag] {
				with = append(with, h.id)
			}
		}
		if _, err := a.AddTag(t.Context(), 1, tag, with); err != nil {
			t.Fatal(err)
		}
	}
	s, err := a.CreateSegment(t.Context(), 1, "内层", tree(t, `{"or":[{"tag":"甲"},{"did":"tap","days":10}]}`))
	if err != nil {
		t.Fatal(err)
	}
	w.inner = append(w.inner, s)
	return w
}

// question is a tree with its own meaning, told independently of the product.
type question struct {
	json  any
	holds func(h *human) bool
}

type object = map[string]any

func (w *world) draw(t *rapid.T, depth int) question {
	n := 7
	if depth > 0 {
		n = 10
	}
	switch rapid.IntRange(0, n-1).Draw(t, "form") {
	case 0:
		return drawARPU(t)
	case 1:
		return drawWord(t)
	case 2:
		months := rapid.SliceOfN(rapid.IntRange(1, 12), 1, 3).Draw(t, "months")
		return question{object{"attribute": "birth_month", "op": "in", "value": months}, func(h *human) bool { return slices.Contains(months, h.month) }}
	case 3:
		return drawDeed(t)
	case 4:
		tag := rapid.SampledFrom(w.tags).Draw(t, "tag")
		return question{object{"tag": tag}, func(h *human) bool { return h.tags[tag] }}
	case 5:
		lo := rapid.IntRange(0, 99).Draw(t, "lo")
		hi := rapid.IntRange(lo, 99).Draw(t, "hi")
		return question{object{"bucket": object{"from": lo, "to": hi}}, func(h *human) bool { b := model.BucketOf(h.id); return lo <= b && b <= hi }}
	case 6:
		return question{object{"segment": w.inner[0].ID.String()}, func(h *human) bool {
			return h.tags["甲"] || times(h, audience.Tap, 10) > 0
		}}
	case 7:
		q := w.draw(t, depth-1)
		return question{object{"not": q.json}, func(h *human) bool { return !q.holds(h) }}
	case 8:
		return w.drawGroup(t, depth, "and", true)
	}
	return w.drawGroup(t, depth, "or", false)
}

func (w *world) drawGroup(t *rapid.T, depth int, word string, all bool) question {
	var kids []question
	var list []any
	for range rapid.IntRange(1, 3).Draw(t, "kids") {
		q := w.draw(t, depth-1)
		kids, list = append(kids, q), append(list, q.json)
	}
	return question{object{word: list}, func(h *human) bool {
		for _, q := range kids {
			if q.holds(h) != all {
				return !all
			}
		}
		return all
	}}
}

func drawARPU(t *rapid.T) question {
	v := rapid.Int64Range(0, 7).Draw(t, "arpu") * 2500
	known := func(ok func(int64) bool) func(*human) bool {
		return func(h *human) bool { return h.arpu >= 0 && ok(h.arpu) }
	}
	switch op := rapid.SampledFrom([]string{"eq", "ne", "gt", "gte", "lt", "lte", "between", "known", "unknown"}).Draw(t, "op"); op {
	case "between":
		return question{object{"attribute": "arpu1", "op": op, "value": []int64{v, v + 5000}}, known(func(n int64) bool { return n >= v && n <= v+5000 })}
	case "known":
		return question{object{"attribute": "arpu1", "op": op}, func(h *human) bool { return h.arpu >= 0 }}
	case "unknown":
		return question{object{"attribute": "arpu1", "op": op}, func(h *human) bool { return h.arpu < 0 }}
	default:
		return question{object{"attribute": "arpu1", "op": op, "value": v}, known(func(n int64) bool {
			return map[string]bool{"eq": n == v, "ne": n != v, "gt": n > v, "gte": n >= v, "lt": n < v, "lte": n <= v}[op]
		})}
	}
}

func drawWord(t *rapid.T) question {
	plan := rapid.SampledFrom([]string{"畅享129", "大王卡", "'; DROP TABLE x; --", "无此套餐"}).Draw(t, "plan")
	switch rapid.IntRange(0, 4).Draw(t, "word") {
	case 0:
		return question{object{"attribute": "plan", "op": "eq", "value": plan}, func(h *human) bool { return h.plan == plan }}
	case 1:
		return question{object{"attribute": "plan", "op": "ne", "value": plan}, func(h *human) bool { return h.plan != "" && h.plan != plan }}
	case 2:
		return question{object{"attribute": "plan", "op": "known"}, func(h *human) bool { return h.plan != "" }}
	case 3:
		return question{object{"attribute": "gender", "op": "ne", "value": "男"}, func(h *human) bool { return h.gender == "女" }}
	}
	return question{object{"attribute": "follows", "op": "eq", "value": true}, func(h *human) bool { return h.follows }}
}

func drawDeed(t *rapid.T) question {
	kind := rapid.SampledFrom([]audience.Kind{audience.Help, audience.Pack, audience.Tap, audience.Buy}).Draw(t, "kind")
	days, n := rapid.IntRange(1, 50).Draw(t, "days"), rapid.Int64Range(1, 5).Draw(t, "times")
	q := object{"did": kind, "days": days, "times": n}
	if rapid.Bool().Draw(t, "lack") {
		delete(q, "did")
		q["didNot"] = kind
		return question{q, func(h *human) bool { return times(h, kind, days) < n }}
	}
	return question{q, func(h *human) bool { return times(h, kind, days) >= n }}
}

func times(h *human, kind audience.Kind, days int) int64 {
	var n int64
	for ago, k := range h.deeds[kind] {
		if ago < days {
			n += k
		}
	}
	return n
}

func TestSegmentsMeanTheSameEverywhere(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		a := open(t, db, audience.Options{FreezeRange: 17, CountRange: 1})
		w := makeWorld(t, a)
		runs := 0
		rapid.Check(t, func(rt *rapid.T) {
			q := w.draw(rt, 3)
			b, err := json.Marshal(q.json)
			if err != nil {
				rt.Fatal(err)
			}
			n := tree(t, string(b))
			var want []model.MemberID
			for _, h := range w.people {
				if q.holds(h) {
					want = append(want, h.id)
				}
			}
			if got, err := a.Count(t.Context(), n); got != int64(len(want)) || err != nil {
				rt.Fatalf("Count(%s) = %d, %v, want %d", b, got, err, len(want))
			}
			sample, err := a.Sample(t.Context(), nil, n, 200)
			slices.Sort(sample)
			if err != nil || !slices.Equal(sample, want) {
				rt.Fatalf("Sample(%s) = %v, %v, want %v", b, sample, err, want)
			}
			h := w.people[runs%len(w.people)]
			if why, err := a.WhyIn(t.Context(), n, h.id); err != nil || why.Holds != q.holds(h) {
				rt.Fatalf("WhyIn(%s, %d) = %+v, %v, want %v", b, h.id, why, err, q.holds(h))
			}
			if s, err := a.Explain(t.Context(), n); err != nil || !strings.HasPrefix(s, "选出") {
				rt.Fatalf("Explain(%s) = %q, %v", b, s, err)
			}
			if runs++; runs%10 == 0 {
				frozenEquals(rt, t, a, n, runs, want)
			}
		})
	})
}

func frozenEquals(rt *rapid.T, t *testing.T, a *audience.Audience, n audience.Node, run int, want []model.MemberID) {
	s, err := a.CreateSegment(t.Context(), 1, fmt.Sprintf("第%d个%d", run, nodes.Add(1)), n)
	if err != nil {
		rt.Fatal(err)
	}
	f, err := a.Freeze(t.Context(), s.ID, model.RequestID("freeze-"+s.ID.String()))
	if err != nil || f.Size != int64(len(want)) || f.DoneAt == 0 {
		rt.Fatalf("Freeze = %+v, %v, want %d members", f, err, len(want))
	}
	got, err := a.FrozenMembers(t.Context(), f.ID, 0, 1000)
	if err != nil || !slices.Equal(got, want) {
		rt.Fatalf("FrozenMembers = %v, %v, want %v", got, err, want)
	}
}

func text(err error) string { return fault.Of(err).Text }
