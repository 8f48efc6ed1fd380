package wechat

import (
	"encoding/json"
	"io"
	"strconv"
	"strings"
)

// scanJSON reads a JSON object, the form in which mini-programs may push. Numbers
// keep their digits, null is an empty value, and the elements of a list are named
// as in XML, so that List is read alike whether it is an object or an array.
func scanJSON(src string, sink leafSink) error {
	decoder := json.NewDecoder(strings.NewReader(src))
	decoder.UseNumber()
	j := jsonScanner{decoder, sink}
	token, err := decoder.Token()
	if err != nil || token != json.Delim('{') {
		return ErrMalformed
	}
	if err := j.object("", 1); err != nil {
		return err
	}
	if _, err := decoder.Token(); err != io.EOF {
		return ErrMalformed
	}
	return nil
}

type jsonScanner struct {
	decoder *json.Decoder
	sink    leafSink
}

// object reads members up to the closing brace.
func (j jsonScanner) object(prefix string, depth int) error {
	for {
		token, err := j.decoder.Token()
		if err != nil {
			return ErrMalformed
		}
		name, isName := token.(string)
		if !isName {
			return nil // '}', for the decoder lets nothing else stand here
		}
		if token, err = j.decoder.Token(); err != nil {
			return ErrMalformed
		}
		if err := j.value(prefix+name, token, depth); err != nil {
			return err
		}
	}
}

// value reads the value that begins with token.
func (j jsonScanner) value(path string, token json.Token, depth int) error {
	switch v := token.(type) {
	case json.Delim:
		if depth == maxDepth {
			return ErrDepth
		}
		if v == '{' {
			return j.object(path+".", depth+1)
		}
		return j.array(path, depth+1)
	case string:
		return j.sink.leaf(path, v)
	case json.Number:
		return j.sink.leaf(path, v.String())
	case bool:
		return j.sink.leaf(path, strconv.FormatBool(v))
	}
	return j.sink.leaf(path, "") // null
}

// array reads elements up to the closing bracket.
func (j jsonScanner) array(path string, depth int) error {
	for n := 1; ; n++ {
		token, err := j.decoder.Token()
		if err != nil {
			return ErrMalformed
		}
		if token == json.Delim(']') {
			return nil
		}
		element := path
		if n > 1 {
			element += "#" + strconv.Itoa(n)
		}
		if err := j.value(element, token, depth); err != nil {
			return err
		}
	}
}
