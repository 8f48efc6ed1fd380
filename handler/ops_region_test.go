package handler

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"kaimenhong/model"
	campaigns "kaimenhong/service/campaign"
	"kaimenhong/service/operator"
)

// local is an operator of Guangdong with every right.
type local struct{}

func (local) Find(context.Context, string) (operator.Operator, error) {
	who := operator.Operator{ID: 7, TOTP: true, Regions: model.Regions{{Province: "广东"}, {Province: "江苏", City: "南京"}}}
	for _, line := range operator.Table {
		who.Rights = append(who.Rights, line.Right)
	}
	return who, nil
}

// far is where everybody lives.
type far struct{}

func (far) Place(context.Context, model.MemberID) (province, city string, err error) {
	return "江苏", "苏州", nil
}

// TestNobodyIsSeenOutsideTheRegions walks over whatever is registered: what names a
// member is asked of one who lives elsewhere. Nothing lies behind the operations, so
// one that looks before it asks fails.
func TestNobodyIsSeenOutsideTheRegions(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	gate := OpsGate{Operators: local{}, People: far{}, Gate: Gate{Requests: forgetful{}, Log: log}}
	r, err := Routes(Handlers{OpsGate: gate, Log: log, Registry: prometheus.NewRegistry()})
	if err != nil {
		t.Fatal(err)
	}
	bodies := map[string]string{
		"whyIn":        `{"memberId":"1","tree":{"stage":["会员"]}}`,
		"revealMember": `{"reason":"客户来电核实"}`,
	}
	asked := map[string]bool{}
	for path, item := range descriptions()["../docs/api/ops.yaml"].OpenAPI().Paths {
		for method, op := range operationsOf(item) {
			query := ""
			for _, p := range op.Parameters {
				if p.In == "query" && strings.HasPrefix(p.Name, "member") {
					query = "?" + p.Name + "=1"
				}
			}
			body, named := bodies[op.OperationID]
			if !named && query == "" && !strings.HasPrefix(path, opsPrefix+"/members/{id}") {
				continue
			}
			address := strings.NewReplacer("{id}", "1", "{version}", "1").Replace(path) + query
			request := httptest.NewRequest(method, address, strings.NewReader(body))
			request.Header.Set("Content-Type", "application/json")
			request.Header.Set(headerKey, "k")
			request.Header.Set("Authorization", "Bearer x")
			recorder := httptest.NewRecorder()
			r.ServeHTTP(recorder, request)
			if recorder.Code != http.StatusNotFound || !strings.Contains(recorder.Body.String(), "audience.unknown") {
				t.Errorf("%s %s of one who lives elsewhere = %d %s, want 404", method, address, recorder.Code, recorder.Body)
			}
			asked[op.OperationID] = true
		}
	}
	for _, id := range []string{"getPortrait", "revealMember", "whyIn", "listMemberPushes", "previewCampaign", "previewVersion"} {
		if !asked[id] {
			t.Errorf("%s was not asked", id)
		}
	}
}

func TestAReportShowsTheCitiesOfTheRegionsAlone(t *testing.T) {
	r := campaigns.Report{Lines: []campaigns.Line{{Cut: campaigns.ByCity, Name: "南京"}, {Cut: campaigns.ByCity, Name: "苏州"}, {Cut: campaigns.ByHour, Name: "9"}}}
	for _, tt := range []struct {
		name    string
		regions model.Regions
		want    string
	}{
		{"everywhere", nil, "南京 苏州 9"},
		{"a city", model.Regions{{Province: "江苏", City: "南京"}}, "南京 9"},
		{"a province, whose cities a report does not know", model.Regions{{Province: "江苏"}}, "9"},
	} {
		var names []string
		for _, l := range ofRegions(tt.regions, r).Lines {
			names = append(names, l.Name)
		}
		if got := strings.Join(names, " "); got != tt.want {
			t.Errorf("%s: the lines are %s, want %s", tt.name, got, tt.want)
		}
	}
	if len(r.Lines) != 3 || r.Lines[1].Name != "苏州" {
		t.Errorf("the report itself was changed: %v", r.Lines)
	}
}

// slow is a file that has begun and does not end before it is told to.
type slow struct {
	begun chan<- struct{}
	end   <-chan struct{}
}

func (s slow) Read([]byte) (int, error) {
	s.begun <- struct{}{}
	<-s.end
	return 0, io.ErrUnexpectedEOF
}

func TestAFewFilesAreTakenAtATime(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	gate := OpsGate{Operators: local{}, People: far{}, Gate: Gate{Requests: forgetful{}, Log: log}}
	r, err := Routes(Handlers{OpsGate: gate, Log: log, Registry: prometheus.NewRegistry()})
	if err != nil {
		t.Fatal(err)
	}
	send := func(file io.Reader) int {
		request := httptest.NewRequest(http.MethodPost, opsPrefix+"/audience/lists", file)
		request.Header.Set("Content-Type", "multipart/form-data; boundary=b")
		request.Header.Set(headerKey, "k")
		request.Header.Set("Authorization", "Bearer x")
		recorder := httptest.NewRecorder()
		r.ServeHTTP(recorder, request)
		return recorder.Code
	}
	begun, end, done := make(chan struct{}, maxUploads), make(chan struct{}), make(chan int, maxUploads)
	for range maxUploads {
		go func() { done <- send(slow{begun, end}) }()
	}
	for range maxUploads {
		<-begun
	}
	if got := send(strings.NewReader("--b--")); got != http.StatusServiceUnavailable {
		t.Errorf("one file more = %d, want 503", got)
	}
	close(end)
	for range maxUploads {
		if got := <-done; got != http.StatusBadRequest {
			t.Errorf("a file that breaks off = %d, want 400", got)
		}
	}
	if got := send(strings.NewReader("--b--")); got != http.StatusBadRequest {
		t.Errorf("a file after the others = %d, want 400 for what is in it", got)
	}
}
