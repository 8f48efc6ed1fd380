package audience

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"kaimenhong/model"
	"kaimenhong/model/fault"
)

// Node is one condition of a segment. Exactly one of And, Or, Not, Attribute, Did,
// DidNot, Tag, Stage, Segment, Bucket and List is set; the fields beside it belong
// to it alone.
//
//	{"and": [
//	  {"attribute": "arpu", "op": "gte", "value": 5000},
//	  {"attribute": "data1", "op": "gte", "value": 9000},
//	  {"didNot": "pack", "days": 30}]}
type Node struct {
	And []Node `json:"and,omitempty"`
	Or  []Node `json:"or,omitempty"`
	Not *Node  `json:"not,omitempty"`

	// Attribute names one of Attributes. Op is eq, ne, in, gt, gte, lt, lte,
	// between, known or unknown, as its sort allows; Value is what Sort says, a
	// list for in and [from, to] for between, nothing for known and unknown.
	Attribute string          `json:"attribute,omitempty"`
	Op        string          `json:"op,omitempty"`
	Value     json.RawMessage `json:"value,omitempty"`

	// Did and DidNot name a Kind. Times is how often at least (DidNot: less often
	// than that), default 1. The time is the last Days days, today among them, or
	// all since the day Since (2026-02-17), at most Retention.
	Did    Kind   `json:"did,omitempty"`
	DidNot Kind   `json:"didNot,omitempty"`
	Times  int64  `json:"times,omitempty"`
	Days   int    `json:"days,omitempty"`
	Since  string `json:"since,omitempty"`

	Tag     string   `json:"tag,omitempty"`     // its name
	Stage   []string `json:"stage,omitempty"`   // one of these
	Segment model.ID `json:"segment,omitempty"` // is also in this one
	Bucket  *Range   `json:"bucket,omitempty"`  // 0–99
	List    model.ID `json:"list,omitempty"`    // is on this uploaded list
}

// Range is both ends and all between.
type Range struct {
	From int `json:"from"`
	To   int `json:"to"`
}

// The bounds of a tree, other segments written out.
const (
	maxTree  = 60_000 // bytes of JSON, as the column has them
	maxDepth = 8
	maxNodes = 200
	maxIn    = 50 // values of one list; 200 nodes stay below SQLite's 32,766 parameters
	maxTimes = 1_000_000
	// Retention is for how many days it is kept what a member did.
	Retention = 400
)

// Problem is one thing that is wrong with a tree. Where is the path to the node:
// and[2].not; empty for the whole.
type Problem struct {
	Where string `json:"where"`
	Text  string `json:"text"` // what is wrong and what to do
}

// ParseTree reads a tree strictly: unknown fields, a second value and more than
// 60,000 bytes are refused. Whether it can be evaluated is Validate's question.
func ParseTree(b []byte) (Node, error) {
	if len(b) > maxTree {
		return Node{}, ErrSegment.Saying("人群条件过长，请拆成几个人群再引用")
	}
	if deeper(b, 2*maxDepth+4) {
		return Node{}, ErrSegment.Saying("条件嵌套过深：最多%d层，请拆成几个人群再引用", maxDepth)
	}
	decoder := json.NewDecoder(bytes.NewReader(b))
	decoder.DisallowUnknownFields()
	var n Node
	if err := decoder.Decode(&n); err != nil {
		return Node{}, ErrSegment.Saying("人群条件无法识别：%s", jsonTrouble(err)).With(err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return Node{}, ErrSegment.Saying("人群条件之后还有多余的内容，请删除")
	}
	return n, nil
}

// deeper looks at brackets alone, so that a hostile depth is never recursed into.
func deeper(b []byte, limit int) bool {
	depth, quoted := 0, false
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			if depth++; depth > limit {
				return true
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return false
}

func jsonTrouble(err error) string {
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) && wrong.Field == "" {
		return "应为一个JSON对象"
	}
	if errors.As(err, &wrong) {
		return fmt.Sprintf("字段%s的类型不对", wrong.Field)
	}
	if name, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		return fmt.Sprintf("没有字段%s", strings.Trim(name, `"`))
	}
	return "请检查JSON格式"
}

// parts are which of the exclusive fields are set.
func (n *Node) parts() []string {
	var set []string
	for _, part := range []struct {
		name string
		set  bool
	}{
		{"and", n.And != nil}, {"or", n.Or != nil}, {"not", n.Not != nil}, {"attribute", n.Attribute != ""},
		{"did", n.Did != ""}, {"didNot", n.DidNot != ""}, {"tag", n.Tag != ""}, {"stage", n.Stage != nil},
		{"segment", n.Segment != 0}, {"bucket", n.Bucket != nil}, {"list", n.List != 0},
	} {
		if part.set {
			set = append(set, part.name)
		}
	}
	return set
}

// children are the nodes below with their paths.
func (n *Node) children(where string) ([]*Node, []string) {
	var nodes []*Node
	var paths []string
	add := func(name string, all []Node) {
		for i := range all {
			nodes = append(nodes, &all[i])
			paths = append(paths, join(where, fmt.Sprintf("%s[%d]", name, i)))
		}
	}
	add("and", n.And)
	add("or", n.Or)
	if n.Not != nil {
		nodes, paths = append(nodes, n.Not), append(paths, join(where, "not"))
	}
	return nodes, paths
}

func join(where, part string) string {
	if where == "" {
		return part
	}
	return where + "." + part
}

// problems are ErrSegment in the words of all of them.
func problems(all []Problem) error {
	texts := make([]string, 0, len(all))
	for _, p := range all {
		if p.Where == "" {
			texts = append(texts, p.Text)
			continue
		}
		texts = append(texts, p.Where+"："+p.Text)
	}
	return ErrSegment.Saying("%s", strings.Join(texts, "；"))
}

// isNotFound tells that something named in a tree is not there.
func isNotFound(err error) bool { return fault.KindOf(err) == fault.NotFound }
