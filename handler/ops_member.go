package handler

import (
	"context"
	"errors"

	"kaimenhong/model"
	"kaimenhong/model/fault"
	crowd "kaimenhong/service/audience"
)

// revealer counts and writes down who looks at whom, before he does.
type revealer interface {
	Reveal(ctx context.Context, by model.ID, of model.MemberID, reason string) error
	Sought(ctx context.Context, by model.ID, found model.MemberID) error
}

var errPhone = fault.New(fault.Invalid, "request.phone", "手机号不正确，应为11位号码")

// sees refuses a person who is not known, or who lives outside the operator's regions,
// as if there were none. Errors: crowd.ErrUnknown.
func sees(ctx context.Context, member model.MemberID) error {
	c := callOf(ctx)
	province, city, err := c.places.Place(ctx, member)
	if err == nil && !c.worker.Regions.Hold(province, city) {
		err = crowd.ErrUnknown
	}
	return err
}

// near is sees for what may be asked of a person who has no portrait, by an operator
// who may look everywhere. Nobody, 0, is everywhere.
func near(ctx context.Context, member model.MemberID) error {
	if member == 0 || len(operatorOf(ctx).Regions) == 0 {
		return nil
	}
	return sees(ctx, member)
}

// visible leaves out what is of people outside the operator's regions, so that a page may
// have fewer than were asked for.
func visible[T any](ctx context.Context, page []T, of func(T) model.MemberID) ([]T, error) {
	var seen []T
	for _, one := range page {
		err := near(ctx, of(one))
		if err == nil {
			seen = append(seen, one)
		} else if !errors.Is(err, crowd.ErrUnknown) {
			return nil, err
		}
	}
	return seen, nil
}

// Portrait is all that is known of one person, masked.
func (h OpsAudience) Portrait(ctx context.Context, in *ByID) (*oneAnswer[crowd.Portrait], error) {
	member := model.MemberID(in.id())
	if err := sees(ctx, member); err != nil {
		return nil, err
	}
	return answered(h.Crowd.Portrait(ctx, member))
}

type searchInput struct {
	Write
	Body struct {
		Phone string `json:"phone" minLength:"11" maxLength:"20"`
	}
}

type foundMember struct {
	Member model.MemberID `json:"memberId"`
}

// Search finds a person by number; each try counts and is written down.
func (h OpsAudience) Search(ctx context.Context, in *searchInput) (*oneAnswer[foundMember], error) {
	phone, err := model.ParsePhone(in.Body.Phone)
	if err != nil {
		return nil, errPhone
	}
	member, err := h.Crowd.FindPhone(ctx, phone)
	if err == nil {
		err = sees(ctx, member)
	}
	if err != nil && !errors.Is(err, crowd.ErrUnknown) {
		return nil, err
	}
	if err != nil {
		member = 0
	}
	if counted := h.Desk.Sought(ctx, operatorOf(ctx).ID, member); counted != nil {
		return nil, counted
	}
	return answered(foundMember{member}, err)
}

type revealInput struct {
	Write
	ByID
	Body struct {
		Reason string `json:"reason" minLength:"4" maxLength:"100" doc:"为什么要看，写入审计"`
	}
}

type revealed struct {
	Phone string `json:"phone"`
}

// Reveal shows a number in clear.
func (h OpsAudience) Reveal(ctx context.Context, in *revealInput) (*oneAnswer[revealed], error) {
	member := model.MemberID(in.id())
	if err := sees(ctx, member); err != nil {
		return nil, err
	}
	if err := h.Desk.Reveal(ctx, operatorOf(ctx).ID, member, in.Body.Reason); err != nil {
		return nil, err
	}
	phone, err := h.Crowd.Phone(ctx, member)
	return answered(revealed{phone.Digits()}, err)
}
