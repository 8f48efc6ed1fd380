package member

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"kaimenhong/model"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/member/internal/db"
)

// Follow notes that he follows the official account since at, and by which source
// (scene of a QR code, search, share …; cut to 64 bytes). The same event twice is
// one; one that is older than the last known changes the history alone. The first
// source of a member stays his own, and one who followed before he was heard of joined
// then: a game for those who are new is not for him. Errors: ErrOpenID.
func (m *Members) Follow(ctx context.Context, openID model.OpenID, source string, at model.Millis) (model.Member, error) {
	who, err := m.Touch(ctx, model.OfficialAccount, openID)
	if err != nil {
		return model.Member{}, err
	}
	if err := m.setFollows(ctx, who.ID, "follow", cutSource(source), at); err != nil {
		return model.Member{}, err
	}
	return m.Touch(ctx, model.OfficialAccount, openID)
}

// Unfollow notes that he does not follow any more since at. Nobody becomes a member by
// leaving, least of all who has closed his account. Errors: ErrOpenID.
func (m *Members) Unfollow(ctx context.Context, openID model.OpenID, at model.Millis) error {
	who, err := m.Known(ctx, model.OfficialAccount, openID)
	if errors.Is(err, ErrUnknown) {
		return nil
	}
	if err != nil {
		return err
	}
	return m.setFollows(ctx, who.ID, "unfollow", "", at)
}

func (m *Members) setFollows(ctx context.Context, who model.MemberID, action, source string, at model.Millis) error {
	follows := action == "follow"
	err := m.change(ctx, func(tx *sql.Tx, q *db.Queries, c *changed) error {
		id, err := lock(ctx, q, who)
		if err != nil {
			return err
		}
		err = q.AddFollow(ctx, db.AddFollowParams{
			ID: int64(m.IDs.Next()), MemberID: int64(id), Action: action, Source: source, HappenedAt: int64(at),
		})
		if !sqldb.Duplicate(err) { // what is known may still lack its source
			if err != nil {
				return err
			}
			if _, err := q.SetFollows(ctx, db.SetFollowsParams{Follows: follows, At: int64(at), ID: int64(id), Newest: int64(at)}); err != nil {
				return err
			}
		}
		if follows {
			if err := q.SetJoined(ctx, db.SetJoinedParams{At: int64(at), ID: int64(id), Later: int64(at)}); err != nil {
				return err
			}
		}
		if source != "" {
			if err := q.SetSource(ctx, db.SetSourceParams{Source: source, ID: int64(id)}); err != nil {
				return err
			}
		}
		return entriesOf(ctx, q, id, c)
	})
	if err != nil {
		return fmt.Errorf("note %s: %w", action, err)
	}
	return nil
}

// cutSource keeps what the column holds, printable ASCII alone, so that it compares
// alike on every engine.
func cutSource(s string) string {
	out := make([]byte, 0, maxSource)
	for _, b := range []byte(s) {
		if b > ' ' && b <= '~' && len(out) < maxSource {
			out = append(out, b)
		}
	}
	return string(out)
}
