package audience

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"unicode/utf8"

	"kaimenhong/model"
	"kaimenhong/model/page"
	"kaimenhong/model/sheet"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/audience/internal/db"
)

// Segment is a saved rule.
type Segment struct {
	ID        model.ID     `json:"id"`
	Name      string       `json:"name"`
	Tree      Node         `json:"tree"`
	Version   int64        `json:"version"` // UpdateSegment wants the one that was read
	Operator  model.ID     `json:"operator"`
	CreatedAt model.Millis `json:"createdAt"`
	UpdatedAt model.Millis `json:"updatedAt"`

	ArchivedAt model.Millis `json:"archivedAt,omitempty"` // 0: it is not
}

// Validate tells everything that is wrong with a tree, each in words that say what
// to do; none when it can be saved. self is the segment that it will be saved as, 0
// for a new one. The error is the store's.
func (a *Audience) Validate(ctx context.Context, tree Node, self model.ID) ([]Problem, error) {
	r := a.resolver(self, model.DayOf(a.Now()))
	_, err := r.node(ctx, &tree, "", 1)
	return append(r.found, r.archived...), err
}

// ready is resolve for whoever evaluates the tree: ErrSegment when he cannot.
func (a *Audience) ready(ctx context.Context, tree *Node, self model.ID, today model.Day) (expr, error) {
	e, found, err := a.resolve(ctx, tree, self, today)
	if err == nil && len(found) > 0 {
		err = problems(found)
	}
	return e, err
}

// encode checks what is to be saved.
func (a *Audience) encode(ctx context.Context, name string, tree *Node, self model.ID) (string, error) {
	if !validName(name) {
		return "", ErrSegmentName
	}
	found, err := a.Validate(ctx, *tree, self)
	if err != nil {
		return "", err
	}
	if len(found) > 0 {
		return "", problems(found)
	}
	text, err := json.Marshal(tree)
	if err != nil {
		return "", ErrSegment.With(err)
	}
	if len(text) > maxTree {
		return "", ErrSegment.Saying("人群条件过长，请拆成几个人群再引用")
	}
	return string(text), nil
}

// CreateSegment saves a new one. Errors: ErrSegmentName, ErrSegment, ErrSegmentTaken;
// ErrArchived when what it names is archived meanwhile.
func (a *Audience) CreateSegment(ctx context.Context, operator model.ID, name string, tree Node) (Segment, error) {
	text, err := a.encode(ctx, name, &tree, 0)
	if err != nil {
		return Segment{}, err
	}
	id := a.IDs.Next()
	err = sqldb.InTx(ctx, a.DB, func(tx *sql.Tx) error {
		if err := hold(ctx, a.q.WithTx(tx), &tree); err != nil {
			return err
		}
		if err := a.q.WithTx(tx).InsertSegment(ctx, db.InsertSegmentParams{
			ID: int64(id), Name: name, Tree: text, OperatorID: int64(operator), Now: int64(a.nowMillis()),
		}); err != nil {
			return err
		}
		if err := a.boundedTx(ctx, tx, id); err != nil { // what it names may have grown meanwhile
			return err
		}
		return a.recordTx(ctx, tx, model.AuditEntry{Operator: operator, Action: "segment.create", Target: segmentRef(id), Detail: segmentDetail{Name: name, Tree: tree}})
	})
	if sqldb.Duplicate(err) {
		return Segment{}, a.taken(ctx, name)
	}
	if err != nil {
		return Segment{}, fmt.Errorf("save a segment: %w", err)
	}
	return a.Segment(ctx, id)
}

// segmentDetail is what the audit keeps of a segment. The rule that a change found is in
// the line before it: two do not fit into one.
type segmentDetail struct {
	Name string `json:"name"`
	Was  string `json:"was,omitempty"` // the name that a change found
	Tree Node   `json:"tree"`
}

// UpdateSegment saves a new version over the one that was read. What was frozen
// before stays as it was.
// Errors: as of CreateSegment, ErrSegmentOld, ErrArchived for one that is archived.
func (a *Audience) UpdateSegment(ctx context.Context, operator model.ID, s Segment) (Segment, error) {
	text, err := a.encode(ctx, s.Name, &s.Tree, s.ID)
	if err != nil {
		return Segment{}, err
	}
	saved, err := a.Segment(ctx, s.ID)
	if err != nil {
		return Segment{}, err
	}
	if saved.ArchivedAt != 0 {
		return Segment{}, ErrArchived.Saying("人群“%s”已归档，请先恢复它再修改", saved.Name)
	}
	err = sqldb.InTx(ctx, a.DB, func(tx *sql.Tx) error {
		if err := hold(ctx, a.q.WithTx(tx), &s.Tree); err != nil {
			return err
		}
		n, err := a.q.WithTx(tx).UpdateSegment(ctx, db.UpdateSegmentParams{
			ID: int64(s.ID), Name: s.Name, Tree: text, Version: s.Version, OperatorID: int64(operator), Now: int64(a.nowMillis()),
		})
		if err != nil {
			return err
		}
		if n == 0 {
			return ErrSegmentOld
		}
		if err := a.boundedTx(ctx, tx, s.ID); err != nil {
			return err
		}
		return a.recordTx(ctx, tx, model.AuditEntry{Operator: operator, Action: "segment.update", Target: segmentRef(s.ID), Detail: segmentDetail{
			Name: s.Name, Was: saved.Name, Tree: s.Tree,
		}})
	})
	if sqldb.Duplicate(err) {
		return Segment{}, a.taken(ctx, s.Name)
	}
	if err != nil {
		return Segment{}, fmt.Errorf("save a segment: %w", err)
	}
	return a.Segment(ctx, s.ID)
}

// taken is ErrSegmentTaken in words that find the other one, which no list may show.
func (a *Audience) taken(ctx context.Context, name string) error {
	other, err := a.q.SegmentByName(ctx, name)
	if err == nil && other.ArchivedAt != 0 {
		return ErrSegmentTaken.Saying("已归档的人群中有同名的，请换一个名称，或恢复那个人群")
	}
	return ErrSegmentTaken
}

func segmentRef(id model.ID) model.Ref { return model.Ref{Type: "segment", ID: id.String()} }

// Segment reads one. Errors: ErrNoSegment.
func (a *Audience) Segment(ctx context.Context, id model.ID) (Segment, error) {
	return segmentOf(ctx, a.q, id)
}

func segmentOf(ctx context.Context, q *db.Queries, id model.ID) (Segment, error) {
	found, err := q.Segment(ctx, int64(id))
	if errors.Is(err, sql.ErrNoRows) {
		return Segment{}, ErrNoSegment
	}
	if err != nil {
		return Segment{}, fmt.Errorf("read a segment: %w", err)
	}
	return decode(found)
}

func decode(found db.AudienceSegment) (Segment, error) {
	s := Segment{
		ID: model.ID(found.ID), Name: found.Name, Version: found.Version, Operator: model.ID(found.OperatorID),
		CreatedAt: model.Millis(found.CreatedAt), UpdatedAt: model.Millis(found.UpdatedAt), ArchivedAt: model.Millis(found.ArchivedAt),
	}
	var err error
	if s.Tree, err = ParseTree([]byte(found.Tree)); err != nil {
		return s, fmt.Errorf("segment %s: %w", s.ID, err)
	}
	return s, nil
}

// Segments lists those that are not archived, or those that are, the newest first; cursor
// is "" or the one that came with the page before. words are in the name, "" in every
// one. Errors: page.ErrCursor.
func (a *Audience) Segments(ctx context.Context, archived bool, words, cursor string, limit int) (list []Segment, next string, err error) {
	before, err := page.Before(cursor)
	if err != nil {
		return nil, "", err
	}
	size := page.Size(limit)
	var found []db.AudienceSegment
	if archived {
		found, err = a.q.ArchivedSegments(ctx, db.ArchivedSegmentsParams{Before: before, Words: words, Limit: size + 1})
	} else {
		found, err = a.q.Segments(ctx, db.SegmentsParams{Before: before, Words: words, Limit: size + 1})
	}
	if err != nil {
		return nil, "", fmt.Errorf("list segments: %w", err)
	}
	found, next = page.Cut(found, size, func(f db.AudienceSegment) string { return page.Cursor(f.ID) })
	for _, f := range found {
		s, err := decode(f)
		if err != nil {
			return nil, "", err
		}
		list = append(list, s)
	}
	return list, next, nil
}

// Estimate is a count that may be off.
type Estimate struct {
	Count int64  `json:"count"`
	Low   int64  `json:"low"` // the truth is within Low…High in 95 cases of 100
	High  int64  `json:"high"`
	Exact bool   `json:"exact"` // few people: nothing is estimated
	Text  string `json:"text"`  // 约12.3万人
}

// fewSampled is how many rows of one thousandth make it worth while to estimate.
const fewSampled = 20

// Estimate is a count from a stable random sample of about Options.SampleRows
// people, for a preview while typing. Errors: ErrSegment.
func (a *Audience) Estimate(ctx context.Context, tree Node) (Estimate, error) {
	e, err := a.ready(ctx, &tree, 0, model.DayOf(a.Now()))
	if err != nil {
		return Estimate{}, err
	}
	a.segments.WithLabelValues("estimate").Inc()
	var thousandth int64
	if err := a.DB.QueryRowContext(ctx, "SELECT COUNT(*) FROM audience_portrait WHERE sample = 0").Scan(&thousandth); err != nil {
		return Estimate{}, fmt.Errorf("size the sample: %w", err)
	}
	if thousandth < fewSampled {
		n, err := a.number(ctx, counting(&e, everybody))
		return Estimate{Count: n, Low: n, High: n, Exact: true, Text: fmt.Sprintf("%d人", n)}, err
	}
	parts := min(max(int64(a.opts.SampleRows)/thousandth, 1), samples)
	hits, err := a.number(ctx, query(&e, "COUNT(*)", "p.sample < ? AND ", parts))
	if err != nil {
		return Estimate{}, err
	}
	return estimated(hits, float64(parts)/samples), nil
}

// estimated widens the hits of a part f of all to all, with the interval of a
// Poisson count (Byar's approximation, which holds for few and no hits too).
func estimated(hits int64, f float64) Estimate {
	x := float64(hits)
	low := 0.0
	if hits > 0 {
		low = x * math.Pow(1-1/(9*x)-1.96/(3*math.Sqrt(x)), 3)
	}
	y := x + 1
	high := y * math.Pow(1-1/(9*y)+1.96/(3*math.Sqrt(y)), 3)
	n := int64(math.Round(x / f))
	e := Estimate{Count: n, Low: max(hits, int64(low/f)), High: int64(math.Ceil(high / f)), Text: fmt.Sprintf("约%d人", n)}
	switch {
	case n == 0:
		e.Text = fmt.Sprintf("不超过%d人", e.High)
	case n >= 10_000:
		e.Text = fmt.Sprintf("约%.1f万人", float64(n)/10_000)
	}
	return e
}

// maxShown bounds a sample, and the lists that are shown at once.
const maxShown = 200

// Sample is the first n of those who live in one of the regions, in the order of their
// sample number, at most 200: the same ones each time. No region is everywhere. Errors:
// ErrSegment.
func (a *Audience) Sample(ctx context.Context, regions model.Regions, tree Node, n int) ([]model.MemberID, error) {
	e, err := a.ready(ctx, &tree, 0, model.DayOf(a.Now()))
	if err != nil {
		return nil, err
	}
	a.segments.WithLabelValues("sample").Inc()
	s := query(&e, "p.member_id", "")
	s.living(regions)
	s.add(" ORDER BY p.sample, p.member_id LIMIT ?", min(max(n, 1), maxShown))
	return a.members(ctx, s)
}

func (a *Audience) members(ctx context.Context, s *statement) ([]model.MemberID, error) {
	rows, err := a.DB.QueryContext(ctx, s.text.String(), s.args...)
	if err != nil {
		return nil, fmt.Errorf("select the members of a segment: %w", err)
	}
	defer func() { _ = rows.Close() }()
	var found []model.MemberID
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			return nil, fmt.Errorf("read a member of a segment: %w", err)
		}
		found = append(found, model.MemberID(id))
	}
	return found, rows.Err()
}

// validWord tells whether s is a name or value that a person can read and the
// tables can hold: 1 to 20 characters, none of them invisible.
func validWord(s string) bool {
	n := utf8.RuneCountInString(s)
	return n >= 1 && n <= maxWord && visible(s)
}

// validName tells whether s is a word that no spreadsheet takes for a formula.
func validName(s string) bool { return validWord(s) && !sheet.Formula(s) }

// Say is a saved segment in a sentence, and what is wrong with it, when something that
// it names is gone. The error is the store's.
func (a *Audience) Say(ctx context.Context, s Segment) (sentence string, found []Problem, err error) {
	e, found, err := a.resolve(ctx, &s.Tree, s.ID, model.DayOf(a.Now()))
	if err != nil || len(found) > 0 {
		return "", found, err
	}
	return e.sentence(), nil, nil
}
