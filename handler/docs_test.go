package handler

import (
	"bytes"
	"flag"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"
	"github.com/getkin/kin-openapi/openapi3"
	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"
)

var update = flag.Bool("update", false, "write docs/api anew")

// descriptions are the APIs, each with its committed description.
func descriptions() map[string]huma.API {
	members, ops := newAPI(gin.New(), Gate{}), newOps(gin.New(), OpsGate{})
	Handlers{}.operations(members)
	Handlers{}.ops(ops)
	return map[string]huma.API{"../docs/api/openapi.yaml": members, "../docs/api/ops.yaml": ops}
}

func TestTheCommittedDescriptionsAreThoseOfTheCode(t *testing.T) {
	for path, api := range descriptions() {
		got, err := api.OpenAPI().YAML()
		if err != nil {
			t.Fatal(err)
		}
		if *update {
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s is not what the code says: go test ./handler -run CommittedDescription -update", path)
		}
		doc, err := openapi3.NewLoader().LoadFromData(got)
		if err != nil {
			t.Fatal(err)
		}
		if err := doc.Validate(t.Context()); err != nil {
			t.Errorf("%s is not valid: %v", path, err)
		}
	}
}

func TestEveryOperationIsDescribedAndGuarded(t *testing.T) {
	public := map[string]bool{"POST /api/v1/session": true, "POST /api/v1/session/refresh": true, "POST /ops/v1/session": true}
	for _, api := range descriptions() {
		for path, item := range api.OpenAPI().Paths {
			for method, op := range operationsOf(item) {
				name := method + " " + path
				if op.Summary == "" || op.OperationID == "" {
					t.Errorf("%s has no summary or no id", name)
				}
				if guarded := len(op.Security) > 0; guarded == public[name] {
					t.Errorf("%s is guarded: %v, want %v", name, guarded, !guarded)
				}
				key := false
				for _, p := range op.Parameters {
					key = key || p.Name == headerKey && p.Required
				}
				if want := writes(method) && op.Metadata[opsAsks] != true; key != want {
					t.Errorf("%s takes an Idempotency-Key: %v, want %v", name, key, want)
				}
			}
		}
	}
}

func TestTheMiniProgramsDescriptionTellsNothingOfOperators(t *testing.T) {
	for path := range descriptions()["../docs/api/openapi.yaml"].OpenAPI().Paths {
		if !strings.HasPrefix(path, apiPrefix+"/") {
			t.Errorf("%s is described to the mini-program", path)
		}
	}
}

func TestTheViewerLoadsNothingFromElsewhere(t *testing.T) {
	r, err := Routes(Handlers{Log: slog.New(slog.DiscardHandler), Registry: prometheus.NewRegistry()})
	if err != nil {
		t.Fatal(err)
	}
	response, body := get(t, r, "/docs", nil)
	if response.StatusCode != http.StatusOK || !strings.Contains(response.Header.Get("Content-Security-Policy"), "default-src 'self'") {
		t.Errorf("GET /docs = %d, policy %q", response.StatusCode, response.Header.Get("Content-Security-Policy"))
	}
	if strings.Contains(body, "http://") || strings.Contains(body, "https://") || strings.Contains(body, `src="`) {
		t.Error("the viewer names another address")
	}
	if response, body := get(t, r, "/openapi.json", nil); response.StatusCode != http.StatusOK || !strings.Contains(body, `"openapi":"3.1.0"`) || strings.Contains(body, "$schema") {
		t.Errorf("GET /openapi.json = %d %.80s", response.StatusCode, body)
	}
}
