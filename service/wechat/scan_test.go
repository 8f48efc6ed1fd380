package wechat

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"kaimenhong/model/fault"
)

// leaves is a sink that keeps all.
type leaves []string

func (l *leaves) leaf(path, value string) error {
	*l = append(*l, path+"="+value)
	return nil
}

func TestScanNamesEveryLeaf(t *testing.T) {
	deep := strings.Repeat("<a>", maxDepth-1) + "x" + strings.Repeat("</a>", maxDepth-1)
	for _, tt := range []struct {
		name, body string
		want       []string
		err        error
	}{
		{"a flat body", "<xml><A><![CDATA[1]]></A><B>2</B></xml>", []string{"A=1", "B=2"}, nil},
		{"space between", " <xml>\n <A>1</A>\r\n <B/> </xml>\n", []string{"A=1", "B="}, nil},
		{"space within a value stays", "<xml><A> 1\r\n2\r </A></xml>", []string{"A= 1\n2\n "}, nil},
		{"text and CDATA together", "<xml><A>a<![CDATA[<b>]]>&lt;&#65;&#x4e2d;</A></xml>", []string{"A=a<b><A中"}, nil},
		{"nested", "<xml><L><I><K>1</K></I><I><K>2</K></I></L><K>3</K></xml>", []string{"L.I.K=1", "L.I#2.K=2", "K=3"}, nil},
		{"a list of leaves", "<xml><A>1</A><A>2</A><B>3</B></xml>", []string{"A=1", "A#2=2", "B=3"}, nil},
		{"a declaration", `<?xml version="1.0" encoding="UTF-8"?><xml><A>1</A></xml>`, []string{"A=1"}, nil},
		{"a byte order mark", "\ufeff<xml><A>1</A></xml>", []string{"A=1"}, nil},
		{"attributes", `<xml v="1"><A b='x' c="y" >1</A ><B c="d"/></xml>`, []string{"A=1", "B="}, nil},
		{"as deep as it may be", "<xml>" + deep + "</xml>", []string{strings.Repeat("a.", maxDepth-2) + "a=x"}, nil},
		{"a control character that a user typed", "<xml><A><![CDATA[a\x08b]]></A></xml>", []string{"A=a\x08b"}, nil},
		{"JSON", `{"A":"1","N":12345678901234567890,"T":true,"Z":null}`, []string{"A=1", "N=12345678901234567890", "T=true", "Z="}, nil},
		{"a JSON object and a JSON list", `{"L":{"K":"1"},"M":[{"K":"1"},{"K":"2"}],"E":[],"S":["a","b"]}`, []string{"L.K=1", "M.K=1", "M#2.K=2", "S=a", "S#2=b"}, nil},

		{"too deep", "<xml><a>" + deep + "</a></xml>", nil, ErrDepth},
		{"JSON too deep", strings.Repeat(`{"a":`, 20) + "1" + strings.Repeat("}", 20), nil, ErrDepth},
		{"nothing", "", nil, ErrMalformed},
		{"space", " \n", nil, ErrMalformed},
		{"text", "success", nil, ErrMalformed},
		{"another root", "<html></html>", nil, ErrMalformed},
		{"a root that only begins so", "<xmlx></xmlx>", nil, ErrMalformed},
		{"two roots", "<xml></xml><xml></xml>", nil, ErrMalformed},
		{"text after the root", "<xml></xml>x", nil, ErrMalformed},
		{"text beside elements", "<xml>x<A>1</A></xml>", nil, ErrMalformed},
		{"text before a child", "<xml><A>x<B>1</B></A></xml>", nil, ErrMalformed},
		{"cut", "<xml><A>1</A>", nil, ErrMalformed},
		{"cut within CDATA", "<xml><A><![CDATA[1</A></xml>", nil, ErrMalformed},
		{"crossed tags", "<xml><A><B></A></B></xml>", nil, ErrMalformed},
		{"a document type", "<!DOCTYPE xml><xml></xml>", nil, ErrMalformed},
		{"a document type within", "<xml><!DOCTYPE a></xml>", nil, ErrMalformed},
		{"a comment", "<xml><A>a<!-- -->b</A></xml>", nil, ErrMalformed},
		{"an instruction", "<xml><?php ?></xml>", nil, ErrMalformed},
		{"another encoding", `<?xml version="1.0" encoding="gbk"?><xml></xml>`, nil, ErrMalformed},
		{"an unknown entity", "<xml><A>&nbsp;</A></xml>", nil, ErrMalformed},
		{"an entity without end", "<xml><A>&amp</A></xml>", nil, ErrMalformed},
		{"a reference to nothing", "<xml><A>&#0;</A></xml>", nil, ErrMalformed},
		{"a reference out of range", "<xml><A>&#x110000;</A></xml>", nil, ErrMalformed},
		{"an attribute twice open", `<xml><A b="<">1</A></xml>`, nil, ErrMalformed},
		{"a bare end of CDATA", "<xml><A>]]></A></xml>", nil, ErrMalformed},
		{"a name with a space", "<xml>< A>1</ A></xml>", nil, ErrMalformed},
		{"JSON with a tail", `{"A":1}{}`, nil, ErrMalformed},
		{"a JSON list", `[{"A":1}]`, nil, ErrMalformed},
		{"cut JSON", `{"A":[1`, nil, ErrMalformed},
		{"bytes that are no UTF-8", "<xml><A>\xff</A></xml>", nil, ErrMalformed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got leaves
			err := scan(tt.body, &got)
			if !errors.Is(err, tt.err) || (tt.err == nil) != (err == nil) {
				t.Fatalf("scan = %v, want %v", err, tt.err)
			}
			if err == nil && !slices.Equal(got, tt.want) {
				t.Errorf("scan found %q, want %q", got, tt.want)
			}
		})
	}
}

// byLibrary reads the leaves of an XML body with encoding/xml.
func byLibrary(body string) (map[string]string, error) {
	type open struct {
		label    string
		text     strings.Builder
		children map[string]int
		last     string
	}
	decoder := xml.NewDecoder(strings.NewReader(body))
	out := map[string]string{}
	var stack []*open
	for {
		token, err := decoder.Token()
		if err == io.EOF {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		switch token := token.(type) {
		case xml.StartElement:
			label := token.Name.Local
			if len(stack) > 0 {
				parent := stack[len(stack)-1]
				if parent.last != label {
					parent.children = map[string]int{}
				}
				parent.last = label
				if parent.children[label]++; parent.children[label] > 1 {
					label += fmt.Sprint("#", parent.children[label])
				}
			}
			stack = append(stack, &open{label: label})
		case xml.CharData:
			if len(stack) > 0 {
				stack[len(stack)-1].text.Write(token)
			}
		case xml.EndElement:
			top := stack[len(stack)-1]
			var labels []string
			for _, o := range stack[1:] {
				labels = append(labels, o.label)
			}
			if path := strings.Join(labels, "."); top.last == "" && path != "" {
				if _, there := out[path]; !there {
					out[path] = top.text.String()
				}
			}
			stack = stack[:len(stack)-1]
		}
	}
}

// FuzzXML holds the scanner to encoding/xml: what it takes, that reads alike.
func FuzzXML(f *testing.F) {
	files, err := filepath.Glob("testdata/callback/*.xml")
	if err != nil || len(files) == 0 {
		f.Fatal("no fixtures", err)
	}
	for _, file := range files {
		body, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(body))
	}
	f.Add("<xml><A>a<![CDATA[<b>]]>&lt;&#65;\r\n</A><A b='c'/></xml>")
	f.Add(`<?xml version="1.0"?><xml><a:b>1</a:b><!-- --></xml>`)
	f.Fuzz(func(t *testing.T, body string) {
		if len(body) > MaxBody || strings.HasPrefix(strings.TrimLeft(body, "\ufeff \t\r\n"), "{") {
			return
		}
		var found leaves
		if scan(body, &found) != nil {
			return
		}
		for _, r := range body {
			if !validXML(r) {
				return // typed by a user; the library refuses it
			}
		}
		want, err := byLibrary(strings.TrimLeft(strings.TrimPrefix(body, "\ufeff"), " \t\r\n"))
		if err != nil {
			t.Fatalf("the scanner takes what encoding/xml refuses: %v\n%q", err, body)
		}
		got := map[string]string{}
		for _, leaf := range found {
			path, value, _ := strings.Cut(leaf, "=")
			if _, there := got[path]; !there {
				got[path] = value
			}
		}
		if !maps.Equal(got, want) {
			t.Fatalf("scanner %q\nlibrary %q\nof %q", got, want, body)
		}
	})
}

// FuzzJSON holds the reader to encoding/json: what it takes is one valid object.
func FuzzJSON(f *testing.F) {
	f.Add(`{"ToUserName":"gh","CreateTime":"1","List":[{"TemplateId":"t"}],"N":1e3,"Z":null}`)
	f.Add(`{"List":{"TemplateId":"t"},"A":[[["x"]]]}`)
	f.Fuzz(func(t *testing.T, body string) {
		if len(body) > MaxBody || !strings.HasPrefix(body, "{") {
			return
		}
		var found leaves
		err := scan(body, &found)
		var f *fault.Error
		if err != nil && !errors.As(err, &f) {
			t.Fatalf("scan = %v, want a refusal", err)
		}
		if err == nil && !json.Valid([]byte(body)) {
			t.Fatalf("the reader takes what is no JSON: %q", body)
		}
	})
}

// FuzzDecrypt gives the decryptor whatever may stand under a right signature.
func FuzzDecrypt(f *testing.F) {
	key, err := newMessageKey("jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C")
	if err != nil {
		f.Fatal(err)
	}
	appID := []byte("wx5823bf96d3bd56c7")
	f.Add(key.seal(nil, make([]byte, randomSize), []byte("<xml></xml>"), appID))
	f.Add(key.seal(nil, make([]byte, randomSize), nil, nil))
	f.Add(make([]byte, 64))
	f.Fuzz(func(t *testing.T, ciphertext []byte) {
		plain := make([]byte, len(ciphertext))
		message, why := key.open(plain, ciphertext, appID)
		if why != openFine {
			if message != nil {
				t.Fatalf("refused as %d, and yet it gives %q", why, message)
			}
			return
		}
		// What opens is exactly what sealing makes.
		if again := key.seal(nil, plain[:randomSize], message, appID); !slices.Equal(again, ciphertext) {
			t.Fatalf("two ciphertexts open to one message: %x", ciphertext)
		}
	})
}

// FuzzCDATA: whatever a reply says, it is well-formed and reads back as it was meant.
func FuzzCDATA(f *testing.F) {
	f.Add("]]>")
	f.Add("]]\x00>a\xff😀")
	f.Fuzz(func(t *testing.T, text string) {
		out := element(nil, "A", text)
		var got string
		if err := xml.Unmarshal(out, &got); err != nil {
			t.Fatalf("%q is written %q: %v", text, out, err)
		}
		var want strings.Builder
		for i, r := range text {
			if validXML(r) && (r != '\ufffd' || strings.HasPrefix(text[i:], "\ufffd")) {
				want.WriteRune(r)
			}
		}
		if got != newlines(want.String()) {
			t.Fatalf("%q reads back as %q, want %q", text, got, want.String())
		}
	})
}
