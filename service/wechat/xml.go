package wechat

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxDepth is how deep a body may be nested, the root included. WeChat's deepest
// (PublishEventInfo, SendPicsInfo) is 5.
const maxDepth = 16

// leafSink is told of every leaf of a body. path is the leaf's name; within other
// elements their names stand before it, divided by dots; the second and later ones
// of a list carry #2, #3 …: List.TemplateId, List#2.TemplateId.
type leafSink interface {
	leaf(path, value string) error
}

// scan reads an XML or JSON body, which one it is being told by its first byte.
// Its errors are ErrMalformed and ErrDepth, or the sink's.
func scan(text string, sink leafSink) error {
	text = strings.TrimPrefix(text, "\ufeff")
	text = strings.TrimLeft(text, " \t\r\n")
	if !utf8.ValidString(text) || text == "" {
		return ErrMalformed
	}
	if text[0] == '{' {
		return scanJSON(text, sink)
	}
	return scanXML(text, sink)
}

// xmlScanner reads the small part of XML that WeChat writes, strictly: elements,
// text, CDATA, the five entities and character references. A document type, a
// comment or a processing instruction is refused, so there is nothing to expand
// and nothing for two readers to disagree on. A body that it takes is read alike
// by encoding/xml, except that control characters within text are let pass: they
// are what some user typed.
type xmlScanner struct {
	src   string
	pos   int
	depth int
	stack [maxDepth]xmlElement
	sink  leafSink
}

// xmlElement is an open element.
type xmlElement struct {
	name     string
	repeat   int    // which one of a list it is, from 1
	value    string // of its text so far
	text     bool   // that it has any, other than space
	children bool
	last     string // name of its last child
	lastN    int    // how many of that name came in a row
}

func scanXML(src string, sink leafSink) error {
	x := xmlScanner{src: src, sink: sink}
	if err := x.declaration(); err != nil {
		return err
	}
	for {
		more, err := x.next()
		if err != nil {
			return err
		}
		if !more {
			break
		}
	}
	if !blank(x.src[x.pos:]) {
		return ErrMalformed
	}
	return nil
}

// declaration passes over <?xml …?>, which may name no encoding but UTF-8.
func (x *xmlScanner) declaration() error {
	if !strings.HasPrefix(x.src, "<?xml ") {
		return nil
	}
	end := strings.Index(x.src, "?>")
	if end < 0 || end > 128 {
		return ErrMalformed
	}
	inside := x.src[len("<?xml "):end]
	_, encoding, named := strings.Cut(inside, "encoding=")
	if strings.ContainsAny(inside, "<>&") || !strings.HasPrefix(inside, `version="1.0"`) ||
		named && !strings.EqualFold(strings.TrimRight(encoding, " "), `"utf-8"`) {
		return ErrMalformed
	}
	x.pos = end + len("?>")
	for x.pos < len(x.src) && isSpace(x.src[x.pos]) {
		x.pos++
	}
	return nil
}

// next reads one tag, CDATA section or run of text; false after the root's end.
func (x *xmlScanner) next() (bool, error) {
	rest := x.src[x.pos:]
	switch {
	case rest == "":
		return false, ErrMalformed
	case x.depth == 0 && !strings.HasPrefix(rest, "<xml"):
		return false, ErrMalformed
	case rest[0] != '<':
		return true, x.text(rest)
	case strings.HasPrefix(rest, "<![CDATA["):
		return true, x.cdata(rest[len("<![CDATA["):])
	case strings.HasPrefix(rest, "</"):
		return x.end(rest[len("</"):])
	}
	return x.start(rest[1:])
}

// start reads a start tag; attributes are passed over.
func (x *xmlScanner) start(rest string) (bool, error) {
	n := nameLength(rest)
	if n == 0 {
		return false, ErrMalformed
	}
	after, empty, err := attributes(rest[n:])
	if err != nil {
		return false, err
	}
	x.pos = len(x.src) - len(after)
	if x.depth == maxDepth {
		return false, ErrDepth
	}
	element := xmlElement{name: rest[:n], repeat: 1}
	if x.depth > 0 {
		parent := &x.stack[x.depth-1]
		if parent.text {
			return false, ErrMalformed
		}
		parent.children = true
		if parent.last == element.name {
			parent.lastN++
		} else {
			parent.last, parent.lastN = element.name, 1
		}
		element.repeat = parent.lastN
	} else if element.name != "xml" {
		return false, ErrMalformed
	}
	x.stack[x.depth] = element
	x.depth++
	if empty {
		return x.close()
	}
	return true, nil
}

// end reads the rest of an end tag.
func (x *xmlScanner) end(rest string) (bool, error) {
	n := nameLength(rest)
	after := strings.TrimLeft(rest[n:], " \t\r\n")
	if x.depth == 0 || rest[:n] != x.stack[x.depth-1].name || !strings.HasPrefix(after, ">") {
		return false, ErrMalformed
	}
	x.pos = len(x.src) - len(after) + 1
	return x.close()
}

// close ends the innermost element; false when it was the root.
func (x *xmlScanner) close() (bool, error) {
	element := &x.stack[x.depth-1]
	x.depth--
	if x.depth == 0 {
		return false, nil
	}
	if element.children {
		return true, nil
	}
	return true, x.sink.leaf(x.path(), element.value)
}

// path is the path of the element that has just been closed.
func (x *xmlScanner) path() string {
	if x.depth == 1 && x.stack[1].repeat == 1 {
		return x.stack[1].name
	}
	var b strings.Builder
	for i := 1; i <= x.depth; i++ {
		if i > 1 {
			b.WriteByte('.')
		}
		label(&b, x.stack[i].name, x.stack[i].repeat)
	}
	return b.String()
}

// label writes one part of a path.
func label(b *strings.Builder, name string, repeat int) {
	b.WriteString(name)
	if repeat > 1 {
		b.WriteByte('#')
		b.WriteString(strconv.Itoa(repeat))
	}
}

func (x *xmlScanner) cdata(rest string) error {
	end := strings.Index(rest, "]]>")
	if end < 0 {
		return ErrMalformed
	}
	x.pos = len(x.src) - len(rest) + end + len("]]>")
	return x.add(newlines(rest[:end]), true)
}

func (x *xmlScanner) text(rest string) error {
	end := strings.IndexByte(rest, '<')
	if end < 0 {
		return ErrMalformed
	}
	x.pos += end
	run := rest[:end]
	if strings.Contains(run, "]]>") {
		return ErrMalformed
	}
	space := blank(run)
	if strings.IndexByte(run, '&') < 0 {
		return x.add(newlines(run), !space)
	}
	run, err := unescape(newlines(run))
	if err != nil {
		return err
	}
	return x.add(run, true)
}

// add appends to the innermost element's value. Space between elements is no
// value; anything else beside elements is refused.
func (x *xmlScanner) add(part string, solid bool) error {
	element := &x.stack[x.depth-1]
	if element.children || x.depth == 1 {
		if solid {
			return ErrMalformed
		}
		return nil
	}
	element.text = element.text || solid
	if element.value == "" {
		element.value = part // no copy: nearly always the only part
	} else {
		element.value += part
	}
	return nil
}

// attributes passes over name="value" pairs and the tag's end, and returns what
// comes after it.
func attributes(rest string) (after string, empty bool, err error) {
	for {
		trimmed := strings.TrimLeft(rest, " \t\r\n")
		switch {
		case strings.HasPrefix(trimmed, ">"):
			return trimmed[1:], false, nil
		case strings.HasPrefix(trimmed, "/>"):
			return trimmed[2:], true, nil
		}
		n := nameLength(trimmed)
		if n == 0 || len(trimmed) == len(rest) || len(trimmed) < n+2 || trimmed[n] != '=' {
			return "", false, ErrMalformed
		}
		quote := trimmed[n+1]
		if quote != '"' && quote != '\'' {
			return "", false, ErrMalformed
		}
		value := trimmed[n+2:]
		end := strings.IndexByte(value, quote)
		if end < 0 || strings.ContainsAny(value[:end], "<&") {
			return "", false, ErrMalformed
		}
		rest = value[end+1:]
	}
}

// nameLength is the length of the name that s begins with: ASCII letters, digits,
// "_", "-" and ".".
func nameLength(s string) int {
	for i := range len(s) {
		c := s[i]
		letter := c|0x20 >= 'a' && c|0x20 <= 'z' || c == '_'
		if !letter && (i == 0 || c != '-' && c != '.' && (c < '0' || c > '9')) {
			return i
		}
	}
	return len(s)
}

// newlines turns \r\n and \r into \n, as XML says.
func newlines(s string) string {
	if strings.IndexByte(s, '\r') < 0 {
		return s
	}
	return strings.ReplaceAll(strings.ReplaceAll(s, "\r\n", "\n"), "\r", "\n")
}

// entities are all that there are.
var entities = map[string]string{"lt": "<", "gt": ">", "amp": "&", "apos": "'", "quot": `"`}

// unescape resolves entities and character references. Every one of them is
// shorter resolved than written, so nothing grows.
func unescape(s string) (string, error) {
	var b strings.Builder
	b.Grow(len(s))
	for {
		before, rest, found := strings.Cut(s, "&")
		b.WriteString(before)
		if !found {
			return b.String(), nil
		}
		name, after, closed := strings.Cut(rest[:min(len(rest), 12)], ";")
		if !closed {
			return "", ErrMalformed
		}
		if number, ok := strings.CutPrefix(name, "#"); ok {
			r, err := charRef(number)
			if err != nil {
				return "", err
			}
			b.WriteRune(r)
		} else if text, ok := entities[name]; ok {
			b.WriteString(text)
		} else {
			return "", ErrMalformed
		}
		s = rest[len(rest[:min(len(rest), 12)])-len(after):]
	}
}

// charRef reads 65 or x41.
func charRef(number string) (rune, error) {
	base := 10
	if hex, ok := strings.CutPrefix(number, "x"); ok {
		number, base = hex, 16
	}
	n, err := strconv.ParseUint(number, base, 32)
	if err != nil {
		return 0, ErrMalformed
	}
	if r := rune(n); n <= utf8.MaxRune && validXML(r) {
		return r, nil
	}
	return 0, ErrMalformed
}

// validXML tells the characters that XML 1.0 may hold.
func validXML(r rune) bool {
	return r == '\t' || r == '\n' || r == '\r' || r >= ' ' && r < 0xD800 ||
		r > 0xDFFF && r < 0xFFFE || r >= 0x10000 && r <= utf8.MaxRune
}

func isSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\t' || c == '\r' }

func blank(s string) bool {
	for i := range len(s) {
		if !isSpace(s[i]) {
			return false
		}
	}
	return true
}
