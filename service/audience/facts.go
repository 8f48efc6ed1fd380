package audience

import (
	"context"
	"fmt"
	"strings"
	"unicode/utf8"

	"kaimenhong/model"
	"kaimenhong/service/audience/internal/db"
)

// The keys of Facts beside those of attributes.
const (
	FactName = "name" // 张先生
	FactTail = "tail" // the last four digits of the number
)

// maxFacts bounds the members of one call.
const maxFacts = 1000

// Facts answers in words what is known of each of at most 1,000 members, by the keys
// that are asked for; what is not known is missing. It is what texts fill in.
//
// Errors: ErrTooMany.
func (a *Audience) Facts(ctx context.Context, members []model.MemberID, keys []string) ([]map[string]string, error) {
	if len(members) > maxFacts {
		return nil, ErrTooMany
	}
	facts, at := make([]map[string]string, len(members)), make(map[int64][]int, len(members))
	ids := make([]int64, len(members))
	for i, m := range members {
		facts[i], ids[i] = map[string]string{}, int64(m)
		at[int64(m)] = append(at[int64(m)], i)
	}
	if len(ids) == 0 || len(keys) == 0 {
		return facts, nil
	}
	rows, err := a.q.PortraitsOf(ctx, ids)
	if err != nil {
		return nil, fmt.Errorf("read portraits: %w", err)
	}
	today, genders := model.DayOf(a.Now()), make(map[int64]int32, len(rows))
	for i := range rows {
		r := &rows[i]
		genders[r.MemberID] = r.Gender
		for _, key := range keys {
			if attr := byKey[key]; attr != nil && attr.known(r) {
				for _, n := range at[r.MemberID] {
					facts[n][key] = attr.text(r, today)
				}
			}
		}
	}
	customers, err := a.q.CustomersOf(ctx, ids)
	if err != nil {
		return nil, fmt.Errorf("read customers: %w", err)
	}
	for _, c := range customers {
		for _, n := range at[c.MemberID] {
			if err := a.address(facts[n], c, genders[c.MemberID]); err != nil {
				return nil, err
			}
		}
	}
	return facts, nil
}

// address says how a customer is addressed. Names are kept masked, 张**, so that the
// surname is what is known.
func (a *Audience) address(facts map[string]string, c db.CustomersOfRow, gender int32) error {
	surname, _, masked := strings.Cut(c.Name, "*")
	title := map[int32]string{1: "先生", 2: "女士"}[gender]
	if masked && utf8.RuneCountInString(surname) == 1 && title != "" {
		facts[FactName] = surname + title
	}
	phone, err := a.openPhone(c.PhoneSealed, c.MemberID)
	if err != nil {
		return fmt.Errorf("open a customer's number: %w", err)
	}
	facts[FactTail] = phone.Digits()[len(phone.Digits())-4:]
	return nil
}
