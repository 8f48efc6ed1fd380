package member

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"

	"kaimenhong/model"
	"kaimenhong/model/fault"
	"kaimenhong/model/seal"
	"kaimenhong/service/member/internal/db"
)

// ErrKey is a key that is not the one of the stored numbers.
var ErrKey = fault.New(fault.Internal, "member.key", "手机号密钥与库中的号码不符")

// keyProofs is how many numbers are tried, so that a broken row alone condemns no key.
const keyProofs = 20

// CheckKey opens some of the stored numbers, of the oldest key version first, and finds
// them again: under a wrong key nobody's number is read, and those who bind anew stand
// beside their old rows. Errors: ErrKey when none of them is opened and found.
func CheckKey(ctx context.Context, pool *sql.DB, sealer *seal.Sealer) error {
	rows, err := db.New(pool).OldKeys(ctx, db.OldKeysParams{Newest: math.MaxInt32, Limit: keyProofs})
	if err != nil {
		return fmt.Errorf("read numbers to try the key: %w", err)
	}
	var refused error
	for _, row := range rows {
		digits, err := sealer.OpenText(row.PhoneSealed, phonePlace(model.MemberID(row.MemberID)))
		if err == nil && sealer.IndexText(string(digits), phoneDomain) == row.PhoneIndex {
			return nil
		}
		if err == nil {
			err = errors.New("a number is not found where it is kept: the index's key is another")
		}
		refused = err
	}
	if refused != nil {
		return ErrKey.With(refused)
	}
	return nil
}
