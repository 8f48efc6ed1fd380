package handler

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
	"kaimenhong/model/seal"
	crowd "kaimenhong/service/audience"
)

// people are an audience of one customer in Nanjing, one in Suzhou and one of whom
// nobody knows where he lives.
func people(t *testing.T) *crowd.Audience {
	t.Helper()
	sealer, err := seal.New(map[int][]byte{1: bytes.Repeat([]byte{7}, seal.KeySize)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	ids, err := model.NewIDs(3, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	a, err := crowd.New(crowd.Deps{
		DB: dbtest.SQLite(t), Sealer: sealer, IDs: ids, Now: time.Now, Log: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry(),
	}, crowd.Options{})
	if err != nil {
		t.Fatal(err)
	}
	file := "手机号,省份,城市\n13800000001,江苏,南京\n13800000002,江苏,苏州\n13800000003,,\n"
	if _, err := a.Import(t.Context(), crowd.Upload{Name: "三人", Operator: 1, File: strings.NewReader(file)}); err != nil {
		t.Fatal(err)
	}
	return a
}

func idOfPhone(t *testing.T, a *crowd.Audience, number string) model.MemberID {
	t.Helper()
	phone, err := model.ParsePhone(number)
	if err != nil {
		t.Fatal(err)
	}
	id, err := a.FindPhone(t.Context(), phone)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// regional answers what an operator of all Guangdong and of Nanjing asks.
func regional(t *testing.T, a *crowd.Audience) func(path, contentType string, body io.Reader) *httptest.ResponseRecorder {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	gate := OpsGate{Operators: local{}, People: a, Gate: Gate{Requests: forgetful{}, Log: log}}
	r, err := Routes(Handlers{OpsGate: gate, Log: log, Registry: prometheus.NewRegistry(), OpsAudience: OpsAudience{Crowd: a}})
	if err != nil {
		t.Fatal(err)
	}
	return func(path, contentType string, body io.Reader) *httptest.ResponseRecorder {
		request := httptest.NewRequest(http.MethodPost, opsPrefix+path, body)
		request.Header.Set("Content-Type", contentType)
		request.Header.Set(headerKey, "k")
		request.Header.Set("Authorization", "Bearer x")
		recorder := httptest.NewRecorder()
		r.ServeHTTP(recorder, request)
		return recorder
	}
}

func TestATagReachesThePeopleOfTheRegionsAlone(t *testing.T) {
	a := people(t)
	ask := regional(t, a)
	all := []model.MemberID{idOfPhone(t, a, "13800000001"), idOfPhone(t, a, "13800000002"), idOfPhone(t, a, "13800000003")}
	ids := `"` + all[0].String() + `","` + all[1].String() + `","` + all[2].String() + `","` + all[0].String() + `","5"`
	if _, err := a.AddTag(t.Context(), 1, "旧", all); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, body, want string }{
		{"is put on one, and the others are as if there were none", `{"name":"新","members":[` + ids + `]}`, `"changed":1,"unknown":3`},
		{"is taken off one", `{"name":"旧","members":[` + ids + `],"remove":true}`, `"changed":1,"unknown":3`},
		{"is put on nobody", `{"name":"新","members":["` + all[1].String() + `"]}`, `"changed":0,"unknown":1`},
	} {
		if got := ask("/audience/tags", "application/json", strings.NewReader(tt.body)); got.Code != http.StatusOK || !strings.Contains(got.Body.String(), tt.want) {
			t.Errorf("%s: %d %s, want %s", tt.name, got.Code, got.Body, tt.want)
		}
	}
	tags, err := a.Tags(t.Context())
	if err != nil || len(tags) != 2 || tags[0].Members+tags[1].Members != 3 {
		t.Errorf("Tags = %+v, %v, want one with the new tag and two with the old one", tags, err)
	}
}

// csvForm is a file with these lines, as an operator sends it, and its content type.
func csvForm(t *testing.T, lines string) (contentType string, body io.Reader) {
	t.Helper()
	var out bytes.Buffer
	w := multipart.NewWriter(&out)
	err := w.WriteField("name", "名单")
	part, more := w.CreateFormFile("file", "名单.csv")
	if err = errors.Join(err, more); err == nil {
		_, err = io.WriteString(part, lines)
	}
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return w.FormDataContentType(), &out
}

func TestAListHoldsThePeopleOfTheRegionsAlone(t *testing.T) {
	a := people(t)
	ask := regional(t, a)
	contentType, body := csvForm(t, "手机号\n13800000001\n13800000002\n13800000003\n13900000000\n")
	got := ask("/audience/lists", contentType, body)
	if answer := got.Body.String(); got.Code != http.StatusCreated || !strings.Contains(answer, `"size":1,`) || !strings.Contains(answer, `"unknown":3`) {
		t.Errorf("a list of four numbers = %d %s, want the one of the region, and three of nobody", got.Code, answer)
	}
}

// A file may say of anybody that he lives here.
func TestAFileAboutAnybodyIsForThoseOfAllRegions(t *testing.T) {
	a := people(t)
	ask := regional(t, a)
	for _, path := range []string{
		"/audience/imports", "/audience/imports/check", "/audience/imports/1/resume", "/audience/purchases", "/audience/purchases/check", "/points/accruals",
	} {
		contentType, body := csvForm(t, "手机号,省份,城市\n13800000002,江苏,南京\n")
		if got := ask(path, contentType, body); got.Code != http.StatusForbidden || !strings.Contains(got.Body.String(), `"operator.nation"`) {
			t.Errorf("%s: %d %s, want that it is refused", path, got.Code, got.Body)
		}
	}
	if _, city, err := a.Place(t.Context(), idOfPhone(t, a, "13800000002")); err != nil || city != "苏州" {
		t.Errorf("he lives in %s (%v), want 苏州", city, err)
	}
}
