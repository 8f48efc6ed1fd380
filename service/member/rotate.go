package member

import (
	"context"
	"fmt"
	"time"

	"kaimenhong/model"
	"kaimenhong/model/fault"
	"kaimenhong/service/member/internal/db"
)

// Reseal seals at most limit (≤ MaxSlice) numbers of older key versions with the
// newest and returns how many it did; 0 without an error means that the old
// versions hold no number any more. It passes over those that cannot be opened, and
// says so once it has done the others. Repeatable, on several replicas at once.
func (m *Members) Reseal(ctx context.Context, limit int) (int, error) {
	limit = min(limit, MaxSlice)
	page := db.OldKeysParams{Newest: int32(m.Sealer.Newest()), Limit: int32(limit)}
	done := 0
	var shut fault.Several // numbers that cannot be opened
	for range maxSlices {
		rows, err := m.q.OldKeys(ctx, page)
		if err != nil {
			return done, fmt.Errorf("read numbers to reseal: %w", err)
		}
		for _, row := range rows {
			page.AfterVersion, page.AfterIndex = row.KeyVersion, row.PhoneIndex
			n, err := m.reseal(ctx, row, page.Newest, &shut)
			if err != nil {
				return done, fmt.Errorf("reseal: %w", err)
			}
			if done += n; done == limit {
				return done, shut.Err()
			}
		}
		if len(rows) < limit {
			break
		}
	}
	return done, shut.Err()
}

// reseal seals one number with the newest key, unless it changed meanwhile.
func (m *Members) reseal(ctx context.Context, row db.OldKeysRow, newest int32, shut *fault.Several) (int, error) {
	place := phonePlace(model.MemberID(row.MemberID))
	digits, err := m.Sealer.OpenText(row.PhoneSealed, place)
	if err != nil {
		shut.Add(fmt.Errorf("open number of member %d: %w", row.MemberID, err))
		return 0, nil
	}
	n, err := m.q.Reseal(ctx, db.ResealParams{
		PhoneSealed: m.Sealer.SealText(digits, place), KeyVersion: newest,
		PhoneIndex: row.PhoneIndex, MemberID: row.MemberID, Was: row.PhoneSealed,
	})
	return int(n), err
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
