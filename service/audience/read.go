package audience

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"kaimenhong/model"
	"kaimenhong/model/page"
	"kaimenhong/service/audience/internal/db"
)

// Imports lists the newest first; cursor is "" or the one that came with the page
// before. Errors: page.ErrCursor.
func (a *Audience) Imports(ctx context.Context, cursor string, limit int) (list []Import, next string, err error) {
	before, err := page.Before(cursor)
	if err != nil {
		return nil, "", err
	}
	size := page.Size(limit)
	found, err := a.q.Imports(ctx, db.ImportsParams{Before: before, Limit: size + 1})
	if err != nil {
		return nil, "", fmt.Errorf("list imports: %w", err)
	}
	found, next = page.Cut(found, size, func(f db.AudienceImport) string { return page.Cursor(f.ID) })
	for _, f := range found {
		list = append(list, a.stands(f))
	}
	return list, next, nil
}

// FrozenList lists the newest first; cursor is "" or the one that came with the page
// before. Errors: page.ErrCursor.
func (a *Audience) FrozenList(ctx context.Context, cursor string, limit int) (list []Frozen, next string, err error) {
	before, err := page.Before(cursor)
	if err != nil {
		return nil, "", err
	}
	size := page.Size(limit)
	found, err := a.q.FrozenBefore(ctx, db.FrozenBeforeParams{Before: before, Limit: size + 1})
	if err != nil {
		return nil, "", fmt.Errorf("list frozen audiences: %w", err)
	}
	found, next = page.Cut(found, size, func(f db.AudienceFrozen) string { return page.Cursor(f.ID) })
	for _, f := range found {
		list = append(list, frozen(f))
	}
	return list, next, nil
}

// FindPhone finds a person by number. Errors: ErrUnknown.
func (a *Audience) FindPhone(ctx context.Context, phone model.Phone) (model.MemberID, error) {
	c, err := a.q.CustomerByPhone(ctx, a.phoneIndex(phone))
	if errors.Is(err, sql.ErrNoRows) {
		return 0, ErrUnknown
	}
	if err != nil {
		return 0, fmt.Errorf("find a customer: %w", err)
	}
	return model.MemberID(c.MemberID), nil
}

// Phone is a person's number in clear. Whoever asks has written down why. Errors:
// ErrUnknown for who is not known, or has no number.
func (a *Audience) Phone(ctx context.Context, member model.MemberID) (model.Phone, error) {
	c, err := a.q.Customer(ctx, int64(member))
	if errors.Is(err, sql.ErrNoRows) {
		return model.Phone{}, ErrUnknown.Saying("这位用户没有登记手机号")
	}
	if err != nil {
		return model.Phone{}, fmt.Errorf("read a customer: %w", err)
	}
	return a.openPhone(c.PhoneSealed, c.MemberID)
}

// Place is where a person lives, as the carrier says; both empty when nobody knows.
// Errors: ErrUnknown.
func (a *Audience) Place(ctx context.Context, member model.MemberID) (province, city string, err error) {
	r, err := a.q.Portrait(ctx, int64(member))
	if errors.Is(err, sql.ErrNoRows) {
		return "", "", ErrUnknown
	}
	if err != nil {
		return "", "", fmt.Errorf("read a portrait: %w", err)
	}
	return r.Province, r.City, nil
}

// Living is who of the members is known to live in one of the regions, ascending; none of
// these is everywhere. Errors: ErrTooMany.
func (a *Audience) Living(ctx context.Context, regions model.Regions, members []model.MemberID) ([]model.MemberID, error) {
	return a.asked(ctx, members, func(s *statement) {
		s.add("SELECT p.member_id FROM audience_portrait p WHERE ")
		s.among("p.member_id", members)
		s.living(regions)
		s.add(" ORDER BY p.member_id")
	})
}

// living adds that p lives in one of the regions; nothing for none of them. It is a
// condition of its own and no part of the tree, whose bounds are the author's alone.
func (s *statement) living(regions model.Regions) {
	if len(regions) == 0 {
		return
	}
	s.add(" AND ")
	s.bracket(func() {
		for i, r := range regions {
			if i > 0 {
				s.add(" OR ")
			}
			s.add("(p.province = ?", r.Province)
			if r.City != "" {
				s.add(" AND p.city = ?", r.City)
			}
			s.add(")")
		}
	})
}
