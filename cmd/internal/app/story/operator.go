package story

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/pquerna/otp/totp"

	"kaimenhong/cmd/internal/app"
	"kaimenhong/config"
	"kaimenhong/model"
	"kaimenhong/service/operator"
)

// Password is what every operator of a story signs in with at first.
const Password = "a password for a story"

// Operator works with the operators' API, behind the front.
type Operator struct {
	ID       model.ID
	Username string
	Token    string

	w      *World
	secret string // of his second factor
}

// OpsAnswer is what the API answered.
type OpsAnswer struct {
	Status int
	Body   []byte
}

// Into reads the answer's JSON.
func (a OpsAnswer) Into(w *World, v any) {
	w.t.Helper()
	if err := json.Unmarshal(a.Body, v); err != nil {
		w.t.Fatalf("answer %d %s: %v", a.Status, a.Body, err)
	}
}

// Operator makes an account as the command line does and signs it in with a second
// factor; a replica is needed.
func (w *World) Operator(username string, roles ...operator.Role) *Operator {
	w.t.Helper()
	cfg, err := config.Load("", w.Environment())
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	o := &Operator{Username: username, w: w}
	if o.ID, err = app.AddOperator(ctx, cfg, operator.Account{Username: username, Name: "王小明", Password: Password, Roles: roles}); err != nil {
		w.t.Fatal(err)
	}
	return o.SignsIn().enrols()
}

// Code is what the operator's phone shows now.
func (o *Operator) Code() string {
	o.w.t.Helper()
	if o.secret == "" {
		return ""
	}
	code, err := totp.GenerateCode(o.secret, o.w.Now())
	if err != nil {
		o.w.t.Fatal(err)
	}
	return code
}

// SignsIn opens a session; a code is good once, so time passes first.
func (o *Operator) SignsIn() *Operator {
	o.w.t.Helper()
	if o.secret != "" {
		o.w.Passes(30 * time.Second)
	}
	o.Token = ""
	var signed struct{ Token string }
	o.Does("POST", "/session", map[string]string{"username": o.Username, "password": Password, "code": o.Code()}, http.StatusCreated).Into(o.w, &signed)
	o.Token = signed.Token
	return o
}

func (o *Operator) enrols() *Operator {
	o.w.t.Helper()
	var enrolled struct{ Address string }
	o.Does("POST", "/me/totp", nil, http.StatusOK).Into(o.w, &enrolled)
	address, err := url.Parse(enrolled.Address)
	if err != nil {
		o.w.t.Fatal(err)
	}
	o.secret = address.Query().Get("secret")
	o.Does("POST", "/me/totp/activate", map[string]string{"code": o.Code()}, http.StatusNoContent)
	return o
}

// Does calls the API and fails the story unless it answers with the status.
func (o *Operator) Does(method, path string, body any, status int) OpsAnswer {
	o.w.t.Helper()
	a := o.Asks(method, path, body)
	if a.Status != status {
		o.w.t.Fatalf("%s %s = %d %s, want %d", method, path, a.Status, a.Body, status)
	}
	return a
}

// Asks calls the API: body is a File, or what becomes JSON. A write gets a key of its
// own, and has to leave exactly one line in the audit when it is done.
func (o *Operator) Asks(method, path string, body any) OpsAnswer {
	o.w.t.Helper()
	if method == http.MethodGet || slices.Contains(questions, path) {
		return o.calls(method, path, body)
	}
	before := o.w.lines()
	a := o.calls(method, path, body)
	left := o.w.lines() - before
	if done := a.Status < http.StatusBadRequest; left > 1 || done && left == 0 {
		o.w.t.Errorf("%s %s = %d left %d lines in the audit, want one of what is done", method, path, a.Status, left)
	} else if done {
		o.w.done(method + " " + path)
	}
	return a
}

// questions are asked by POST, because they are long; they change nothing.
var questions = []string{"/audience/check", "/audience/count", "/audience/estimate", "/audience/sample", "/audience/why", "/audience/imports/check", "/audience/purchases/check"}

// lines are those of the audit that persons left.
func (w *World) lines() int {
	w.t.Helper()
	return w.Count("SELECT seq FROM operator_audit WHERE operator_id <> 0")
}

func (w *World) done(write string) {
	w.writesMu.Lock()
	defer w.writesMu.Unlock()
	w.writes = append(w.writes, write)
}

// Writes are the writes of operators that were done, as POST /folders.
func (w *World) Writes() []string {
	w.writesMu.Lock()
	defer w.writesMu.Unlock()
	return slices.Clone(w.writes)
}

func (o *Operator) calls(method, path string, body any) OpsAnswer {
	o.w.t.Helper()
	var content io.Reader
	kind := "application/json"
	switch b := body.(type) {
	case nil:
	case File:
		content, kind = b.Content, b.Type
	default:
		text, err := json.Marshal(b)
		if err != nil {
			o.w.t.Fatal(err)
		}
		content = bytes.NewReader(text)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, o.w.base+"/ops/v1"+path, content)
	if err != nil {
		o.w.t.Fatal(err)
	}
	if content != nil {
		request.Header.Set("Content-Type", kind)
	}
	if method != http.MethodGet {
		request.Header.Set("Idempotency-Key", rand.Text())
	}
	if o.Token != "" {
		request.Header.Set("Authorization", "Bearer "+o.Token)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		o.w.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	answered, err := io.ReadAll(io.LimitReader(response.Body, 16<<20))
	if err != nil {
		o.w.t.Fatal(err)
	}
	return OpsAnswer{response.StatusCode, answered}
}

// File is a body that is no JSON.
type File struct {
	Type    string
	Content io.Reader
}
