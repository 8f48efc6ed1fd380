package handler

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"kaimenhong/model"
	"kaimenhong/service/chat"
	"kaimenhong/service/mall"
	"kaimenhong/service/payout"
	"kaimenhong/service/points"
)

// twoCities has member 11 in Nanjing and everybody else in Suzhou.
type twoCities struct{}

func (twoCities) Place(_ context.Context, member model.MemberID) (province, city string, err error) {
	if member == 11 {
		return "江苏", "南京", nil
	}
	return "江苏", "苏州", nil
}

// ledgers hold one thing of member 11 and one of member 22, each by his number, and
// note what is decided.
type ledgers struct{ decided *[]string }

func (l ledgers) List(context.Context, bool, string, int) ([]chat.Note, string, error) {
	return []chat.Note{{ID: 11, Member: 11}, {ID: 22, Member: 22}}, "", nil
}

func (ledgers) Teller(_ context.Context, id model.ID) (model.MemberID, error) {
	return model.MemberID(id), nil
}

func (l ledgers) Finish(_ context.Context, _, id model.ID, _ string) error { return l.note(id) }

func (l ledgers) note(id model.ID) error {
	*l.decided = append(*l.decided, id.String())
	return nil
}

func (ledgers) Waiting(context.Context, payout.State, string, int) ([]payout.Payout, string, error) {
	return []payout.Payout{{Pot: 11, Member: 11}, {Pot: 22, Member: 22}}, "", nil
}

func (ledgers) Payout(_ context.Context, pot model.ID) (payout.Payout, error) {
	return payout.Payout{Pot: pot, Member: model.MemberID(pot)}, nil
}

func (l ledgers) Review(_ context.Context, pot model.ID, _ payout.Decision) error { return l.note(pot) }

func (ledgers) Adjustments(context.Context, string, string, int) ([]points.Adjustment, string, error) {
	return []points.Adjustment{{ID: 11, Member: 11}, {ID: 22, Member: 22}}, "", nil
}

func (ledgers) Adjustment(_ context.Context, id model.ID) (points.Adjustment, error) {
	return points.Adjustment{ID: id, Member: model.MemberID(id)}, nil
}

func (ledgers) Adjust(_ context.Context, _ model.ID, m model.MemberID, _ model.Points, _ string, _ model.RequestID) (points.Adjustment, error) {
	return points.Adjustment{Member: m}, nil
}

func (l ledgers) Approve(_ context.Context, id, _ model.ID) (points.Adjustment, error) {
	return points.Adjustment{ID: id}, l.note(id)
}

func (l ledgers) Reject(_ context.Context, id, _ model.ID) (points.Adjustment, error) {
	return points.Adjustment{ID: id}, l.note(id)
}

func (ledgers) StuckNow(context.Context, model.MemberID, string, int) ([]mall.Stuck, string, error) {
	return []mall.Stuck{{ID: 11, Member: 11}, {ID: 22, Member: 22}}, "", nil
}

func (ledgers) StuckOne(_ context.Context, id model.ID) (mall.Stuck, error) {
	return mall.Stuck{ID: id, Member: model.MemberID(id)}, nil
}

func (l ledgers) SettleStuck(_ context.Context, _, id model.ID, _ mall.Decision) (mall.Stuck, error) {
	return mall.Stuck{ID: id}, l.note(id)
}

// TestListsHoldThePeopleOfTheRegionsAlone asks for what is listed or decided by a number
// of its own and is somebody's all the same.
func TestListsHoldThePeopleOfTheRegionsAlone(t *testing.T) {
	log, decided := slog.New(slog.DiscardHandler), []string{}
	l := ledgers{&decided}
	gate := OpsGate{Operators: local{}, People: twoCities{}, Gate: Gate{Requests: forgetful{}, Log: log}}
	r, err := Routes(Handlers{
		OpsGate: gate, Log: log, Registry: prometheus.NewRegistry(), OpsChat: OpsChat{Notes: l}, OpsGame: OpsGame{Prizes: l},
		OpsPoints: OpsPoints{Hand: l, Book: l, Places: twoCities{}}, OpsMall: OpsMall{Desk: l, Places: twoCities{}},
	})
	if err != nil {
		t.Fatal(err)
	}
	ask := func(method, path, body string) *httptest.ResponseRecorder {
		request := httptest.NewRequest(method, opsPrefix+path, strings.NewReader(body))
		request.Header.Set("Content-Type", "application/json")
		request.Header.Set(headerKey, "k")
		request.Header.Set("Authorization", "Bearer x")
		recorder := httptest.NewRecorder()
		r.ServeHTTP(recorder, request)
		return recorder
	}
	for _, path := range []string{"/feedback", "/prizes", "/points/adjustments", "/redemptions/stuck"} {
		got := ask(http.MethodGet, path, "")
		if body := got.Body.String(); got.Code != http.StatusOK || !strings.Contains(body, `"11"`) || strings.Contains(body, `"22"`) {
			t.Errorf("%s = %d %s, want member 11's alone", path, got.Code, body)
		}
	}
	for _, tt := range []struct{ path, body string }{
		{"/feedback/%/finish", `{"remark":"已回电"}`},
		{"/prizes/%/review", `{"verdict":"pay","why":"核实"}`},
		{"/redemptions/%/settle", `{"verdict":"given","reason":"工单0231","attempts":9}`},
		{"/points/adjustments/%/approve", ""},
		{"/points/adjustments/%/reject", ""},
	} {
		decided = decided[:0]
		far := ask(http.MethodPost, strings.ReplaceAll(tt.path, "%", "22"), tt.body)
		near := ask(http.MethodPost, strings.ReplaceAll(tt.path, "%", "11"), tt.body)
		if far.Code != http.StatusNotFound || near.Code >= http.StatusBadRequest || len(decided) != 1 || decided[0] != "11" {
			t.Errorf("%s = %d of one who lives elsewhere, %d of one of the region; decided %v, want 404, done, 11", tt.path, far.Code, near.Code, decided)
		}
	}
}
