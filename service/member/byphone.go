package member

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"kaimenhong/model"
	"kaimenhong/model/fault"
	"kaimenhong/service/member/internal/db"
)

// ErrNobody says that no member bound the number.
var ErrNobody = fault.New(fault.NotFound, "member.nobody", "没有会员绑定该号码")

// ByPhone returns who bound the number, as seen from the official account. It reads
// SQL, for a file of the carrier's names members by number.
// Errors: ErrNobody, the store's.
func (m *Members) ByPhone(ctx context.Context, phone model.Phone) (model.Member, error) {
	row, err := db.New(m.DB).HolderOf(ctx, m.phoneIndex(phone))
	if errors.Is(err, sql.ErrNoRows) {
		return model.Member{}, ErrNobody
	}
	if err != nil {
		return model.Member{}, fmt.Errorf("find who bound a number: %w", err)
	}
	return m.Get(ctx, model.MemberID(row.MemberID), model.OfficialAccount)
}
