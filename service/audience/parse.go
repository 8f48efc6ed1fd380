package audience

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"kaimenhong/model"
	"kaimenhong/model/fault"
	"kaimenhong/model/sheet"
	"kaimenhong/model/sqldb"
)

// parser turns lines of a file into batches.
type parser struct {
	a       *Audience
	s       *sheet.Sheet
	mapping Mapping
	columns []*field // by column; nil is passed over
	facts   []string // the attributes that the file tells, derived ones too
	after   int64    // lines up to this one are saved already
	today   int32
	seen    int
	origin  int64 // of a customer of whom only this file speaks
	loads   bool  // the database takes rows by LOAD DATA
}

// checkedLine is a line with all that costs time done: its index, the id that it
// gets if its number is not known, and its seal, which is bound to that.
type checkedLine struct {
	line
	cells  []string // for whoever is known already
	index  string
	sealed string
}

// batch is what one transaction saves.
type batch struct {
	lines   []checkedLine
	repeats bool // a number occurs more than once
	// With parser.loads, all lines as rows: what is saved when no number is known and
	// none repeats.
	portraits, customers sqldb.Lines

	errors  []LineError
	total   int64
	refused int64
	to      int64 // the last line that it covers
	last    bool
}

// suggest maps the headings that are understood.
func suggest(heads []string) Mapping {
	m := Mapping{}
	for _, h := range heads {
		for i := range fields {
			if slices.ContainsFunc(fields[i].titles, func(t string) bool { return strings.EqualFold(t, h) }) {
				m[h] = fields[i].key
			}
		}
	}
	return m
}

func newParser(a *Audience, s *sheet.Sheet, mapping Mapping, after int64) (*parser, error) {
	if mapping == nil {
		mapping = suggest(s.Heads)
	}
	p := &parser{a: a, s: s, mapping: mapping, columns: make([]*field, len(s.Heads)), after: after, today: int32(model.DayOf(a.Now()))}
	used := map[string]string{}
	for i, h := range s.Heads {
		key, ok := mapping[h]
		if !ok {
			continue
		}
		f := fieldByKey(key)
		if f == nil {
			return nil, ErrMapping.Saying("没有字段“%s”，请从字段列表中选择", short(key))
		}
		if other, twice := used[key]; twice {
			return nil, ErrMapping.Saying("“%s”和“%s”两列都对应“%s”，请去掉一列", short(other), short(h), f.titles[0])
		}
		used[key], p.columns[i] = h, f
		if key != fieldPhone && key != fieldName {
			p.facts = append(p.facts, derived(key)...)
		}
	}
	for h := range mapping {
		if !slices.Contains(s.Heads, h) {
			return nil, ErrMapping.Saying("文件里没有“%s”这一列，请核对表头", short(h))
		}
	}
	if used[fieldPhone] == "" {
		return nil, ErrMapping.Saying("没有指明哪一列是手机号，请补上")
	}
	slices.Sort(p.facts)
	p.facts = slices.Compact(p.facts)
	return p, nil
}

// batch reads the next lines, Options.ImportBatch of them at most, ready to be
// saved.
func (p *parser) batch() (*batch, error) {
	b, err := p.read()
	if err == nil {
		p.ready(b)
	}
	return b, err
}

// ready gives ids, and makes rows, in the order of the index, so that the tables and
// the index grow in one direction within a batch.
func (p *parser) ready(b *batch) {
	order := make([]*checkedLine, len(b.lines))
	for i := range b.lines {
		order[i] = &b.lines[i]
	}
	slices.SortFunc(order, func(x, y *checkedLine) int { return strings.Compare(x.index, y.index) })
	if p.loads {
		b.portraits.Grow(portraitText * len(order))
		b.customers.Grow(customerText * len(order))
	}
	for i, l := range order {
		b.repeats = b.repeats || i > 0 && order[i-1].index == l.index
		id := int64(p.a.IDs.Next())
		l.row.MemberID, l.row.OriginID = id, p.origin
		l.row.Bucket, l.row.Sample = int32(model.BucketOf(model.MemberID(id))), int32(sampleOf(model.MemberID(id)))
		l.sealed = p.a.sealPhone(l.phone, id)
		if p.loads {
			l.writeTo(&b.portraits, &b.customers)
		}
	}
}

// What a row takes as text, about.
const (
	portraitText = 224
	customerText = 160
)

func (l *checkedLine) writeTo(portraits, customers *sqldb.Lines) {
	writePortrait(portraits, &l.row)
	portraits.End()
	l.writeCustomer(customers)
	customers.End()
}

// writeCustomer writes the columns of audience_customer in its order.
func (l *checkedLine) writeCustomer(w writes) {
	w.Int(l.row.MemberID)
	w.Text(l.index)
	w.Text(l.sealed)
	w.Text(l.name)
}

func (p *parser) read() (*batch, error) {
	b := &batch{to: p.after}
	for b.total < int64(p.a.opts.ImportBatch) {
		cells, err := p.s.Read()
		if errors.Is(err, io.EOF) {
			b.last = true
			return b, nil
		}
		bad := fault.Of(err)
		if err != nil && bad.Code != sheet.ErrLine.Code {
			return nil, err
		}
		if p.seen++; p.seen > p.a.opts.ImportRows {
			return nil, ErrFileSize.Saying("文件超过%d行，请拆成几个文件", p.a.opts.ImportRows)
		}
		if p.s.Line <= p.after || err == nil && sheet.Empty(cells) {
			continue
		}
		b.total++
		b.to = p.s.Line
		if err != nil {
			b.refuse(p.s.Line, bad.Text)
			continue
		}
		l, text := p.line(cells)
		if text != "" {
			b.refuse(p.s.Line, text)
			continue
		}
		b.lines = append(b.lines, l)
	}
	return b, nil
}

func (b *batch) refuse(line int64, text string) {
	b.refused++
	if r := []rune(text); len(r) > maxDetail {
		text = string(r[:maxDetail-1]) + "…"
	}
	b.errors = append(b.errors, LineError{line, text})
}

// wholes are the fields that a workbook may keep as a whole number.
var wholes = []string{fieldPhone, "birth_month", "tenure", "festival_taps", "festival_helps"}

// decimals are those that it keeps with decimals.
var decimals = []string{"arpu1", "arpu2", "arpu3", "data1", "data2", "data3", "festival_spent"}

// line checks one line; the text says what is wrong with it.
func (p *parser) line(cells []string) (checkedLine, string) {
	l := checkedLine{line: line{number: p.s.Line, row: blank(0), book: p.s.Workbook}, cells: make([]string, len(p.columns))}
	if len(cells) > sheet.MaxColumns {
		return l, fmt.Sprintf("列数过多：最多%d列", sheet.MaxColumns)
	}
	for i, f := range p.columns {
		if f == nil || i >= len(cells) {
			continue
		}
		if len(cells[i]) > maxCell || !utf8.ValidString(cells[i]) {
			return l, fmt.Sprintf("%s：内容过长或不是文字", f.titles[0])
		}
		l.cells[i] = strings.TrimSpace(cells[i]) // of a string of the line's own
		if l.book && slices.Contains(wholes, f.key) {
			l.cells[i] = sheet.Whole(l.cells[i])
		} else if l.book && slices.Contains(decimals, f.key) {
			l.cells[i] = sheet.Decimal(l.cells[i])
		}
	}
	if err := p.apply(&l.line, l.cells); err != nil {
		return l, err.Error()
	}
	if l.row.SinceDay > p.today {
		return l, fmt.Sprintf("入网日期：“%s”还没有到，请核对", model.Day(l.row.SinceDay))
	}
	l.index = p.a.phoneIndex(l.phone)
	return l, ""
}

// apply says what the cells say, over what the line's row has.
func (p *parser) apply(l *line, cells []string) error {
	for i, f := range p.columns {
		if f == nil {
			continue
		}
		if err := f.set(l, cells[i]); err != nil {
			return fmt.Errorf("%s：%w", f.titles[0], err)
		}
	}
	derive(&l.row)
	return nil
}
