package audience

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"kaimenhong/model"
	"kaimenhong/model/fault"
	"kaimenhong/service/audience/internal/db"
)

// form is what kind of condition an expr is.
type form int

const (
	formAnd form = iota
	formOr
	formNot
	formTest
	formDeed
	formTag
	formList
	formBucket
	formSegment // holds as its one child does
)

// expr is a checked condition with all that it names found: what SQL is made of,
// what is explained and what is asked of one member.
type expr struct {
	form  form
	where string
	node  *Node
	kids  []expr

	leaf  leaf // formTest
	test  test
	kind  Kind // formDeed
	times int64
	since model.Day
	lack  bool   // didNot
	id    int64  // formTag, formList
	name  string // formTag, formList, formSegment
	lo    int    // formBucket
	hi    int
}

// resolver turns a tree into an expr and collects what is wrong with it.
type resolver struct {
	a     *Audience
	q     *db.Queries // what is read by, perhaps within a transaction
	today model.Day
	path  []model.ID // the segments that lead here
	nodes int
	found []Problem

	archived []Problem // segments that nothing new may name, and what is saved may

	unbounded bool // beyond the bounds of a tree with others written out, or a circle
}

// resolve checks the tree as of today. self is the segment that the tree is or
// will be saved as, 0 for none. The error is the store's alone.
func (a *Audience) resolve(ctx context.Context, tree *Node, self model.ID, today model.Day) (expr, []Problem, error) {
	r := a.resolver(self, today)
	e, err := r.node(ctx, tree, "", 1)
	return e, r.found, err
}

func (a *Audience) resolver(self model.ID, today model.Day) *resolver {
	r := &resolver{a: a, q: a.q, today: today}
	if self != 0 {
		r.path = []model.ID{self}
	}
	return r
}

func (r *resolver) problem(where, format string, args ...any) {
	if len(r.found) < maxNodes {
		r.found = append(r.found, Problem{where, fmt.Sprintf(format, args...)})
	}
}

func (r *resolver) node(ctx context.Context, n *Node, where string, depth int) (expr, error) {
	e := expr{node: n, where: where}
	if r.nodes++; r.nodes > maxNodes {
		r.unbounded = true
		if r.nodes == maxNodes+1 {
			r.problem(where, "条件过多：连同引用的人群最多%d个，请精简", maxNodes)
		}
		return e, nil
	}
	if depth > maxDepth {
		r.unbounded = true
		r.problem(where, "条件嵌套过深：连同引用的人群最多%d层，请精简", maxDepth)
		return e, nil
	}
	parts := n.parts()
	if len(parts) == 0 {
		r.problem(where, "这里没有条件，请填写一个条件或删除这一项")
		return e, nil
	}
	if len(parts) > 1 {
		r.problem(where, "一项只能有一个条件，现在有%s，请用and或or连接", strings.Join(parts, "、"))
		return e, nil
	}
	r.strays(n, where, parts[0])
	switch parts[0] {
	case "and", "or", "not":
		return r.group(ctx, n, e, depth)
	case "tag", "list":
		return r.named(ctx, n, e)
	case "segment":
		return r.segment(ctx, n, e, depth)
	}
	var err error
	switch parts[0] {
	case "attribute":
		e.form = formTest
		if e.leaf, err = readLeaf(n); err == nil {
			e.test = e.leaf.test(r.today)
		}
	case "did", "didNot":
		err = r.deed(n, &e)
	case "stage":
		err = r.stage(n, &e)
	case "bucket":
		e.form, e.lo, e.hi = formBucket, n.Bucket.From, n.Bucket.To
		if e.lo < 0 || e.hi >= buckets || e.lo > e.hi {
			err = fmt.Errorf("随机分桶应在0到%d之间，且下限不大于上限", buckets-1)
		}
	}
	if err != nil {
		r.problem(where, "%s", err)
	}
	return e, nil
}

// strays finds fields that belong to another condition.
func (r *resolver) strays(n *Node, where, part string) {
	if part != "attribute" && (n.Op != "" || n.Value != nil) {
		r.problem(where, "op和value只用于属性条件，请去掉")
	}
	if part != "did" && part != "didNot" && (n.Times != 0 || n.Days != 0 || n.Since != "") {
		r.problem(where, "times、days和since只用于行为条件，请去掉")
	}
}

func (r *resolver) group(ctx context.Context, n *Node, e expr, depth int) (expr, error) {
	switch {
	case n.And != nil:
		e.form = formAnd
	case n.Or != nil:
		e.form = formOr
	default:
		e.form = formNot
	}
	nodes, paths := n.children(e.where)
	if len(nodes) == 0 {
		r.problem(e.where, "and和or里至少要有一个条件")
	}
	for i := range nodes {
		kid, err := r.node(ctx, nodes[i], paths[i], depth+1)
		if err != nil {
			return e, err
		}
		e.kids = append(e.kids, kid)
	}
	return e, nil
}

func (r *resolver) deed(n *Node, e *expr) error {
	e.form, e.lack, e.times = formDeed, n.DidNot != "", max(1, n.Times)
	e.kind = n.Did
	if e.lack {
		e.kind = n.DidNot
	}
	if e.kind.code() == 0 {
		return fmt.Errorf("没有行为“%s”，请从%s中选择", short(string(e.kind)), kindNames())
	}
	if n.Times < 0 || n.Times > maxTimes {
		return fmt.Errorf("次数应为1到%d", maxTimes)
	}
	var err error
	e.since, err = sinceDay(n, r.today)
	return err
}

// stage is a test of the attribute of that name.
func (r *resolver) stage(n *Node, e *expr) error {
	at := byKey["stage"]
	e.form, e.leaf = formTest, leaf{at: at, op: "in"}
	if len(n.Stage) == 0 || len(n.Stage) > len(stageChoices) {
		return fmt.Errorf("请选择1到%d个阶段：%s", len(stageChoices), titles(stageChoices))
	}
	for _, s := range n.Stage {
		c, ok := at.choice(s)
		if !ok {
			return fmt.Errorf("没有阶段“%s”，请从%s中选择", short(s), titles(stageChoices))
		}
		e.leaf.numbers = append(e.leaf.numbers, c.code)
	}
	e.test = e.leaf.test(r.today)
	return nil
}

func (r *resolver) named(ctx context.Context, n *Node, e expr) (expr, error) {
	var err error
	if n.Tag != "" {
		var tag db.AudienceTag
		tag, err = r.q.TagByName(ctx, n.Tag)
		e.form, e.id, e.name = formTag, tag.ID, n.Tag
		if errors.Is(err, sql.ErrNoRows) {
			r.problem(e.where, "没有标签“%s”，请先创建这个标签，或换一个", short(n.Tag))
			err = nil
		}
	} else {
		var list db.AudienceList
		list, err = r.q.List(ctx, int64(n.List))
		e.form, e.id, e.name = formList, list.ID, list.Name
		if errors.Is(err, sql.ErrNoRows) {
			r.problem(e.where, "没有编号为%s的名单，请先上传，或换一个", n.List)
			err = nil
		}
	}
	if err != nil {
		return e, fmt.Errorf("find what a segment names: %w", err)
	}
	return e, nil
}

// segment writes another segment out.
func (r *resolver) segment(ctx context.Context, n *Node, e expr, depth int) (expr, error) {
	e.form = formSegment
	if at := slices.Index(r.path, n.Segment); at >= 0 {
		name := "编号" + n.Segment.String()
		r.unbounded = true
		found, err := segmentOf(ctx, r.q, n.Segment)
		if err == nil {
			name = "“" + found.Name + "”"
		}
		r.problem(e.where, "人群引用成了一个圈：人群%s又引用了自己，请去掉其中一处引用", name)
		return e, nil
	}
	found, err := segmentOf(ctx, r.q, n.Segment)
	if isNotFound(err) {
		r.problem(e.where, "没有编号为%s的人群，请换一个", n.Segment)
		return e, nil
	}
	if err != nil {
		return e, err
	}
	if found.ArchivedAt != 0 {
		r.archived = append(r.archived, Problem{e.where, fault.Of(archived(found.Name)).Text})
	}
	e.name = found.Name
	r.path = append(r.path, n.Segment)
	kid, err := r.node(ctx, &found.Tree, join(e.where, "人群“"+found.Name+"”"), depth+1)
	r.path = r.path[:len(r.path)-1]
	e.kids = []expr{kid}
	return e, err
}

// written is the tree with other segments written out.
func (e *expr) written() Node {
	kids := make([]Node, 0, len(e.kids))
	for i := range e.kids {
		kids = append(kids, e.kids[i].written())
	}
	switch e.form {
	case formAnd, formSegment:
		return Node{And: kids}
	case formOr:
		return Node{Or: kids}
	case formNot:
		return Node{Not: &kids[0]}
	}
	return *e.node
}
