package handler

import (
	"context"
	"strings"

	"kaimenhong/model"
	"kaimenhong/service/points"
)

type pointsReader interface {
	PointsBalance(ctx context.Context, member model.MemberID) (model.PointsBalance, error)
	Entries(ctx context.Context, member model.MemberID, cursor string, limit int) ([]points.Entry, string, error)
	Lots(ctx context.Context, member model.MemberID, cursor string, limit int) ([]points.Lot, string, error)
}

type signer interface {
	SignIn(ctx context.Context, member model.MemberID) (points.SignedIn, error)
}

// Points shows a member's ledger.
type Points struct {
	Ledger pointsReader
	Signer signer
}

type pointsAnswer struct{ Body PointsBalance }

// Balance is what the member has.
func (h Points) Balance(ctx context.Context, _ *none) (*pointsAnswer, error) {
	b, err := h.Ledger.PointsBalance(ctx, memberOf(ctx))
	return &pointsAnswer{newPoints(b)}, err
}

type pointsEntry struct {
	ID      model.ID     `json:"id"`
	Kind    string       `json:"kind" enum:"earn,spend,hold,confirm,void,reverse,expire,activate,adjust,join,close"`
	Amount  model.Points `json:"amount" doc:"增加为正，减少为负"`
	Why     string       `json:"why" doc:"原因"`
	Source  string       `json:"source,omitempty" doc:"来源"`
	RefType string       `json:"refType,omitempty" doc:"业务类型" example:"redemption"`
	RefID   string       `json:"refId,omitempty" doc:"业务编号"`
	Lots    []entryLot   `json:"lots" doc:"动用了哪几批积分"`
	At      instant      `json:"at" format:"date-time"`
}

type entryLot struct {
	LotID     model.ID     `json:"lotId"`
	Title     string       `json:"title"`
	Amount    model.Points `json:"amount"`
	ExpiresAt instant      `json:"expiresAt,omitempty" format:"date-time" doc:"没有则长期有效"`
}

func newEntry(e points.Entry) pointsEntry {
	out := pointsEntry{ID: e.ID, Kind: e.Kind, Amount: e.Amount, Why: e.Why, Source: e.Source, Lots: make([]entryLot, 0, len(e.Lots)), At: when(e.At)}
	if !strings.HasPrefix(e.Ref.Type, "points.") { // the ledger's own, which lead nowhere
		out.RefType, out.RefID = e.Ref.Type, e.Ref.ID
	}
	for _, l := range e.Lots {
		out.Lots = append(out.Lots, entryLot{l.Lot, l.Title, l.Amount, when(l.ExpiresAt)})
	}
	return out
}

// Entries lists the changes, newest first.
func (h Points) Entries(ctx context.Context, in *Page) (*listAnswer[pointsEntry], error) {
	page, next, err := h.Ledger.Entries(ctx, memberOf(ctx), in.Cursor, in.Limit)
	return listed(page, next, err, newEntry)
}

type pointsLot struct {
	ID        model.ID     `json:"id"`
	Title     string       `json:"title"`
	Issued    model.Points `json:"issued" doc:"发放时的数量"`
	Remaining model.Points `json:"remaining" doc:"剩余"`
	Pending   bool         `json:"pending" doc:"尚未生效"`
	ActiveAt  instant      `json:"activeAt,omitempty" format:"date-time"`
	ExpiresAt instant      `json:"expiresAt,omitempty" format:"date-time" doc:"没有则长期有效"`
}

func newLot(l points.Lot) pointsLot {
	return pointsLot{l.ID, l.Title, l.Issued, l.Remaining, l.Pending, when(l.ActiveAt), when(l.ExpiresAt)}
}

// Lots lists what is left, soonest-expiring first.
func (h Points) Lots(ctx context.Context, in *Page) (*listAnswer[pointsLot], error) {
	page, next, err := h.Ledger.Lots(ctx, memberOf(ctx), in.Cursor, in.Limit)
	return listed(page, next, err, newLot)
}

type signInAnswer struct {
	Body struct {
		Points model.Points `json:"points" doc:"今天签到得到的积分"`
		Streak int          `json:"streak" doc:"连续签到的天数，含今天"`
		Again  bool         `json:"again" doc:"今天已经签到过"`
	}
}

// SignIn is today's 签到.
func (h Points) SignIn(ctx context.Context, _ *bareWrite) (*signInAnswer, error) {
	s, err := h.Signer.SignIn(ctx, memberOf(ctx))
	out := &signInAnswer{}
	out.Body.Points, out.Body.Streak, out.Body.Again = s.Points, s.Streak, s.Again
	return out, err
}

// ExportPoints words the ledger's part of an export.
func ExportPoints(e points.Export) any {
	out := struct {
		Balance PointsBalance `json:"balance"`
		Lots    []pointsLot   `json:"lots"`
		Entries []pointsEntry `json:"entries"`
		More    bool          `json:"more"`
	}{Balance: newPoints(e.Balance), Lots: []pointsLot{}, Entries: []pointsEntry{}, More: e.More}
	for _, l := range e.Lots {
		out.Lots = append(out.Lots, newLot(l))
	}
	for _, x := range e.Entries {
		out.Entries = append(out.Entries, newEntry(x))
	}
	return out
}
