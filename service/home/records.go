package home

import (
	"context"
	"fmt"

	"kaimenhong/model"
	"kaimenhong/model/fault"
)

type (
	// records are what a member looks up now and then, and what is forgotten with him.
	records interface {
		Bills(ctx context.Context, phone model.Phone) (model.Bills, error)
		UsageDays(ctx context.Context, phone model.Phone, days int) ([]model.UsageDay, error)
		Erase(ctx context.Context, phone model.Phone) error
	}
	// closer closes a member's account, with what other domains keep of him.
	closer interface {
		Close(ctx context.Context, id model.MemberID, request model.RequestID) error
	}
)

// Section is one domain's part of an export, in JSON under its name.
type Section struct {
	Name string
	Read func(ctx context.Context, member model.MemberID) (any, error)
}

// bound finds the member's number.
func (h *Home) bound(ctx context.Context, id model.MemberID) (model.Phone, error) {
	who, err := h.People.Get(ctx, id, model.MiniProgram)
	if err == nil && !who.Bound() {
		err = ErrNotBound
	}
	return who.Phone, err
}

// Bills are the member's latest bills. Errors: ErrNotBound, the carrier's.
func (h *Home) Bills(ctx context.Context, id model.MemberID) (model.Bills, error) {
	phone, err := h.bound(ctx, id)
	if err != nil {
		return model.Bills{}, err
	}
	return h.Records.Bills(ctx, phone)
}

// Services are the member's plan and packs. Errors: ErrNotBound, the carrier's.
func (h *Home) Services(ctx context.Context, id model.MemberID) (model.Plan, error) {
	phone, err := h.bound(ctx, id)
	if err != nil {
		return model.Plan{}, err
	}
	return h.Account.Plan(ctx, phone)
}

// UsageDays is what the member used on each of the last days, today last. The
// carrier is asked for today's, if it answers. Errors: ErrNotBound, the store's.
func (h *Home) UsageDays(ctx context.Context, id model.MemberID, days int) ([]model.UsageDay, error) {
	phone, err := h.bound(ctx, id)
	if err != nil {
		return nil, err
	}
	return h.Records.UsageDays(ctx, phone, days)
}

// ExportMe collects all that is kept of the member, by domain. Errors: a section's.
func (h *Home) ExportMe(ctx context.Context, id model.MemberID) (map[string]any, error) {
	out := make(map[string]any, len(h.Export))
	for _, s := range h.Export {
		part, err := s.Read(ctx, id)
		if err != nil {
			return nil, fmt.Errorf("export %s: %w", s.Name, err)
		}
		out[s.Name] = part
	}
	return out, nil
}

// Close closes the member's account: what names a person is shredded, the ledgers
// stay under his id. What is kept of his number goes first, for afterwards nobody
// knows which it was; closing again is harmless. Errors: the domains' own.
func (h *Home) Close(ctx context.Context, id model.MemberID, request model.RequestID) error {
	who, err := h.People.Get(ctx, id, model.MiniProgram)
	if err != nil && fault.KindOf(err) != fault.NotFound {
		return err
	}
	if err == nil && who.Bound() {
		if err := h.Records.Erase(ctx, who.Phone); err != nil {
			return err
		}
	}
	if err := h.Members.Close(ctx, id, request); err != nil {
		return err
	}
	if who.Bound() { // what was fetched while it closed
		return h.Records.Erase(ctx, who.Phone)
	}
	return nil
}
