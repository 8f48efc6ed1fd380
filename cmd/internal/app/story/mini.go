package story

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"

	"kaimenhong/cmd/internal/app"
)

// Mini is the mini-program in somebody's hand. It speaks to the front, and every
// answer is held to the committed description of the API.
type Mini struct {
	Access  string
	Refresh string

	p *Person
	w *World
}

// Answer is what the API said.
type Answer struct {
	Status int
	Header http.Header
	Raw    []byte
	mini   *Mini
}

// Stock fills the mall of a replica within this process.
func (r *Replica) Stock(stock ...app.Good) *Replica {
	r.w.t.Helper()
	if err := r.app.Stock(context.Background(), stock); err != nil {
		r.w.t.Fatal(err)
	}
	return r
}

// Opens makes him open the mini-program, without signing in.
func (p *Person) Opens() *Mini { return &Mini{p: p, w: p.w} }

// SignsIn gives the code of wx.login.
func (m *Mini) SignsIn() *Mini {
	m.w.t.Helper()
	code := m.LoginCode()
	m.Take(m.Do("POST", "/session", "login-"+code, map[string]any{"code": code}).Is(http.StatusOK))
	return m
}

// LoginCode is a fresh code of wx.login.
func (m *Mini) LoginCode() string {
	m.w.t.Helper()
	code, err := m.w.Sandbox.WeChat.LoginCode(m.p.ID)
	if err != nil {
		m.w.t.Fatal(err)
	}
	return code
}

// PhoneCode is what a tap on the getPhoneNumber button gives.
func (m *Mini) PhoneCode() string {
	m.w.t.Helper()
	code, err := m.w.Sandbox.WeChat.PhoneCode(m.p.ID)
	if err != nil {
		m.w.t.Fatal(err)
	}
	return code
}

// Take keeps the tokens of an answer.
func (m *Mini) Take(a Answer) {
	m.w.t.Helper()
	m.Access, m.Refresh = a.Text("accessToken"), a.Text("refreshToken")
}

// BindsPhone binds his number in one tap.
func (m *Mini) BindsPhone() *Mini {
	m.w.t.Helper()
	code := m.PhoneCode()
	m.Do("POST", "/session/phone", "phone-"+code, map[string]any{"code": code}).Is(http.StatusNoContent)
	return m
}

// With uses this access token from now on.
func (m *Mini) With(token string) *Mini {
	m.Access = token
	return m
}

// Finds returns the id of the first gift of a kind.
func (m *Mini) Finds(kind string) string {
	m.w.t.Helper()
	gifts := m.Get("/gifts").Is(http.StatusOK)
	for i := range 9 {
		if at := "items." + strconv.Itoa(i); gifts.Text(at+".kind") == kind {
			return gifts.Text(at + ".id")
		}
	}
	m.w.t.Fatalf("no gift of kind %s is on sale: %s", kind, gifts.Raw)
	return ""
}

// Get reads.
func (m *Mini) Get(path string) Answer { m.w.t.Helper(); return m.Do("GET", path, "", nil) }

// Do calls the API with his access token. key is the Idempotency-Key, "" for none;
// body is sent as JSON unless it is nil.
func (m *Mini) Do(method, path, key string, body any) Answer {
	m.w.t.Helper()
	a, err := m.Try(method, path, key, body)
	if err != nil {
		m.w.t.Fatal(err)
	}
	return a
}

// errNoReplica says that nobody was there to answer.
var errNoReplica = errors.New("no replica answered")

// Try is Do for who expects that replicas die: an error means that nobody knows what
// came of the call.
func (m *Mini) Try(method, path, key string, body any) (Answer, error) {
	m.w.t.Helper()
	var content []byte
	if body != nil {
		var err error
		if content, err = json.Marshal(body); err != nil {
			return Answer{}, err
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, m.w.base+"/api/v1"+path, bytes.NewReader(content))
	if err != nil {
		return Answer{}, err
	}
	if m.Access != "" {
		request.Header.Set("Authorization", "Bearer "+m.Access)
	}
	if key != "" {
		request.Header.Set("Idempotency-Key", key)
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return Answer{}, err
	}
	defer func() { _ = response.Body.Close() }()
	raw, err := io.ReadAll(io.LimitReader(response.Body, 4<<20))
	if err == nil && response.StatusCode == http.StatusBadGateway {
		err = errNoReplica
	}
	if err != nil {
		return Answer{}, err
	}
	a := Answer{Status: response.StatusCode, Header: response.Header, Raw: raw, mini: m}
	m.hold(request, a)
	return a, nil
}

// The committed descriptions.
const (
	MembersAPI   = "openapi.yaml"
	OperatorsAPI = "ops.yaml"
)

// Spec is one of the committed descriptions.
func Spec(ctx context.Context, name string) (*openapi3.T, error) {
	loader := openapi3.NewLoader()
	loader.Context = ctx
	return loader.LoadFromFile("../../../../docs/api/" + name) // seen from a story
}

// described finds operations by their requests.
var described = sync.OnceValues(func() (routers.Router, error) {
	doc, err := Spec(context.Background(), MembersAPI)
	if err != nil {
		return nil, err
	}
	return legacy.NewRouter(doc)
})

// hold checks an answer against the description.
func (m *Mini) hold(request *http.Request, a Answer) {
	m.w.t.Helper()
	spec, err := described()
	if err != nil {
		m.w.t.Errorf("read the description: %v", err)
		return
	}
	route, params, err := spec.FindRoute(request)
	if err != nil {
		m.w.t.Errorf("%s %s is not described: %v", request.Method, request.URL.Path, err)
		return
	}
	in := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{Request: request, PathParams: params, Route: route},
		Status:                 a.Status, Header: a.Header, Options: &openapi3filter.Options{IncludeResponseStatus: true},
	}
	in.SetBodyBytes(a.Raw)
	if err := openapi3filter.ValidateResponse(context.Background(), in); err != nil {
		m.w.t.Errorf("%s %s answered %d %s, which is not as described: %v", request.Method, request.URL.Path, a.Status, a.Raw, err)
	}
}

// Is ends the story unless the status is this.
func (a Answer) Is(status int) Answer {
	a.mini.w.t.Helper()
	if a.Status != status {
		a.mini.w.t.Fatalf("the API answered %d %s, want %d\n%s", a.Status, a.Raw, status, a.mini.w.Logs.tail())
	}
	return a
}

// Says tells whether the answer is a problem with this status and code, with words
// for the reader and a request id.
func (a Answer) Says(status int, code string) bool {
	return a.Status == status && a.Text("code") == code && a.Text("detail") != "" && a.Text("requestId") != ""
}

// Refused fails the story unless the answer Says this.
func (a Answer) Refused(status int, code string) Answer {
	a.mini.w.t.Helper()
	if !a.Says(status, code) {
		a.mini.w.t.Errorf("the API answered %d %s, want %d %s", a.Status, a.Raw, status, code)
	}
	return a
}

// Value is the value under a path such as points.available or items.0.id; nil when
// there is none.
func (a Answer) Value(path string) any {
	decoder := json.NewDecoder(bytes.NewReader(a.Raw))
	decoder.UseNumber()
	var at any
	if err := decoder.Decode(&at); err != nil {
		return nil
	}
	for _, name := range strings.Split(path, ".") {
		switch in := at.(type) {
		case map[string]any:
			at = in[name]
		case []any:
			at = nil
			if i, err := strconv.Atoi(name); err == nil && i >= 0 && i < len(in) {
				at = in[i]
			}
		default:
			return nil
		}
	}
	return at
}

// String is the status and the whole body.
func (a Answer) String() string { return strconv.Itoa(a.Status) + " " + string(a.Raw) }

// Text is the string under a path, "" when there is none.
func (a Answer) Text(path string) string { s, _ := a.Value(path).(string); return s }

// Items are the entries of a list, each an answer of its own.
func (a Answer) Items() (items []Answer) {
	var list struct {
		Items []json.RawMessage `json:"items"`
	}
	if json.Unmarshal(a.Raw, &list) != nil {
		return nil
	}
	for _, raw := range list.Items {
		items = append(items, Answer{a.Status, a.Header, raw, a.mini})
	}
	return items
}

// Number is the whole number under a path, -1 when there is none.
func (a Answer) Number(path string) int64 {
	n, ok := a.Value(path).(json.Number)
	if !ok {
		return -1
	}
	v, err := n.Int64()
	if err != nil {
		return -1
	}
	return v
}
