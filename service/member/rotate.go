package member

import (
	"context"
	"errors"
	"fmt"
	"time"

	"kaimenhong/model"
	"kaimenhong/service/member/internal/db"
)

// Reseal seals at most limit (≤ MaxSlice) numbers of older key versions with the
// newest and returns how many it did; 0 without an error means that the old
// versions hold no number any more. Repeatable, on several replicas at once.
func (m *Members) Reseal(ctx context.Context, limit int) (int, error) {
	newest := int32(m.Sealer.Newest())
	rows, err := m.q.OldKeys(ctx, db.OldKeysParams{KeyVersion: newest, Limit: int32(min(limit, MaxSlice))})
	if err != nil {
		return 0, fmt.Errorf("read numbers to reseal: %w", err)
	}
	done := 0
	var failed error
	for _, row := range rows {
		place := phonePlace(model.MemberID(row.MemberID))
		digits, err := m.Sealer.OpenText(row.PhoneSealed, place)
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("number of member %d: %w", row.MemberID, err))
			continue // one bad row does not hold up the others
		}
		n, err := m.q.Reseal(ctx, db.ResealParams{
			PhoneSealed: m.Sealer.SealText(digits, place), KeyVersion: newest,
			PhoneIndex: row.PhoneIndex, MemberID: row.MemberID, Was: row.PhoneSealed,
		})
		if err != nil {
			return done, errors.Join(failed, fmt.Errorf("reseal: %w", err))
		}
		done += int(n)
	}
	return done, failed
}

// keepCodes is how long a code's row is kept after it was sent: as long as a repeat
// of its request may come.
const keepCodes = 24 * time.Hour

// Purge deletes at most limit (≤ MaxSlice) rows each of old codes and of counts of
// past days, and returns how many.
func (m *Members) Purge(ctx context.Context, limit int) (int64, error) {
	most := int32(min(limit, MaxSlice))
	ids, err := m.q.OldCodes(ctx, db.OldCodesParams{CreatedAt: int64(model.At(m.Now().Add(-keepCodes))), Limit: most})
	if err != nil {
		return 0, fmt.Errorf("read old codes: %w", err)
	}
	var codes, quotas int64
	if len(ids) > 0 {
		if codes, err = m.q.PurgeCodes(ctx, ids); err != nil {
			return 0, fmt.Errorf("purge codes: %w", err)
		}
	}
	yesterday := int32(model.DayOf(m.Now())) - 1 // its last code still keeps its pause over midnight
	scopes, err := m.q.OldQuotas(ctx, db.OldQuotasParams{Day: yesterday, Limit: most})
	if err != nil {
		return codes, fmt.Errorf("read old counts: %w", err)
	}
	if len(scopes) > 0 {
		if quotas, err = m.q.PurgeQuotas(ctx, db.PurgeQuotasParams{Scopes: scopes, Day: yesterday}); err != nil {
			return codes, fmt.Errorf("purge counts: %w", err)
		}
	}
	return codes + quotas, nil
}
