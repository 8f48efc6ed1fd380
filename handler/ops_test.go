package handler

import (
	"context"
	"crypto/sha256"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"kaimenhong/service/idempotency"
	"kaimenhong/service/operator"
)

// badges are operators by token: each role has one, "expired" has none.
type badges struct{}

func (badges) Find(_ context.Context, token string) (operator.Operator, error) {
	for _, r := range operator.Roles {
		if string(r.Role) != token {
			continue
		}
		who := operator.Operator{ID: 7, Roles: []operator.Role{r.Role}, TOTP: true}
		for _, line := range operator.Table {
			for _, role := range line.Roles {
				if role == r.Role {
					who.Rights = append(who.Rights, line.Right)
				}
			}
		}
		return who, nil
	}
	if token == "factorless" {
		return operator.Operator{ID: 8, Roles: []operator.Role{operator.Admin}, Rights: []operator.Right{operator.OwnAccount}}, nil
	}
	return operator.Operator{}, operator.ErrSession
}

// forgetful runs every write.
type forgetful struct{}

func (forgetful) Do(ctx context.Context, _ idempotency.Request, run func(context.Context) idempotency.Answer) (idempotency.Answer, bool, error) {
	return run(ctx), false, nil
}

func (forgetful) Answered(context.Context, idempotency.Request) (idempotency.Answer, bool, error) {
	return idempotency.Answer{}, false, nil
}

// TestEveryOperationOfOperatorsAsksForItsRight walks over whatever is registered: a
// new operation is tried without being named here.
func TestEveryOperationOfOperatorsAsksForItsRight(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	gate := OpsGate{Operators: badges{}, Gate: Gate{Requests: forgetful{}, Log: log}}
	r, err := Routes(Handlers{OpsGate: gate, Log: log, Registry: prometheus.NewRegistry()})
	if err != nil {
		t.Fatal(err)
	}
	ask := func(method, path, token string) int {
		request := httptest.NewRequest(method, strings.ReplaceAll(path, "{id}", "1"), strings.NewReader("{}"))
		request.Header.Set("Content-Type", "application/json")
		request.Header.Set(headerKey, "k")
		if token != "" {
			request.Header.Set("Authorization", "Bearer "+token)
		}
		recorder := httptest.NewRecorder()
		r.ServeHTTP(recorder, request)
		return recorder.Code
	}
	for path, item := range descriptions()["../docs/api/ops.yaml"].OpenAPI().Paths {
		for method, op := range operationsOf(item) {
			right := op.Metadata[opsRight].(operator.Right)
			if right == "" {
				continue // signing in
			}
			for _, token := range []string{"", "expired"} {
				if got := ask(method, path, token); got != http.StatusUnauthorized {
					t.Errorf("%s %s with the token %q = %d, want 401", method, path, token, got)
				}
			}
			if got, want := ask(method, path, "factorless") == http.StatusForbidden, right != operator.OwnAccount; got != want {
				t.Errorf("%s %s without a second factor is forbidden: %v, want %v", method, path, got, want)
			}
			for _, role := range operator.Roles {
				who, err := badges{}.Find(t.Context(), string(role.Role))
				if err != nil {
					t.Fatal(err)
				}
				got := ask(method, path, string(role.Role))
				if forbidden := got == http.StatusForbidden; forbidden == who.May(right) || got == http.StatusUnauthorized {
					t.Errorf("%s %s as %s = %d, may: %v", method, path, role.Role, got, who.May(right))
				}
			}
		}
	}
}

// leaky is a desk that writes without a line in the audit.
type leaky struct{}

func (leaky) Knock(context.Context, string) error { return nil }
func (leaky) SignIn(context.Context, string, string, string) (operator.Session, error) {
	return operator.Session{}, nil
}
func (leaky) SignOut(context.Context, string) error { return nil }

func TestAWriteWithoutALineInTheAuditIsLogged(t *testing.T) {
	var said strings.Builder
	log := slog.New(slog.NewTextHandler(&said, nil))
	gate := OpsGate{Operators: badges{}, Gate: Gate{Requests: forgetful{}, Log: log}}
	r, err := Routes(Handlers{OpsGate: gate, OpsSession: OpsSession{Desk: leaky{}}, Log: log, Registry: prometheus.NewRegistry()})
	if err != nil {
		t.Fatal(err)
	}
	request := httptest.NewRequest(http.MethodDelete, opsPrefix+"/session", nil)
	request.Header.Set(headerKey, "k")
	request.Header.Set("Authorization", "Bearer admin")
	recorder := httptest.NewRecorder()
	r.ServeHTTP(recorder, request)
	body, err := io.ReadAll(recorder.Result().Body)
	if err != nil {
		t.Fatal(err)
	}
	if recorder.Code != http.StatusNoContent || !strings.Contains(said.String(), "left no line in the audit") {
		t.Errorf("DELETE session = %d %s; the log says %q", recorder.Code, body, said.String())
	}
}

func TestAWriteIsKeptByItsOperatorAndRoute(t *testing.T) {
	var seen []idempotency.Request
	gate := OpsGate{Operators: badges{}, Gate: Gate{Requests: noting{&seen}, Log: slog.New(slog.DiscardHandler)}}
	r, err := Routes(Handlers{OpsGate: gate, OpsSession: OpsSession{Desk: leaky{}}, Log: gate.Log, Registry: prometheus.NewRegistry()})
	if err != nil {
		t.Fatal(err)
	}
	request := httptest.NewRequest(http.MethodDelete, opsPrefix+"/session", nil)
	request.Header.Set(headerKey, "k")
	request.Header.Set("Authorization", "Bearer admin")
	r.ServeHTTP(httptest.NewRecorder(), request)
	want := idempotency.Request{Member: 7, Route: "DELETE /ops/v1/session", Key: "k", Body: sha256.Sum256([]byte("/ops/v1/session\n"))}
	if len(seen) != 1 || seen[0] != want {
		t.Errorf("the keeper got %+v, want %+v", seen, want)
	}
}

type noting struct{ seen *[]idempotency.Request }

func (n noting) Do(ctx context.Context, r idempotency.Request, run func(context.Context) idempotency.Answer) (idempotency.Answer, bool, error) {
	*n.seen = append(*n.seen, r)
	return run(ctx), false, nil
}

func (n noting) Answered(context.Context, idempotency.Request) (idempotency.Answer, bool, error) {
	return idempotency.Answer{}, false, nil
}
