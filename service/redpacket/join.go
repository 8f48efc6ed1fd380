package redpacket

import (
	"context"
	"database/sql"
	"fmt"

	"kaimenhong/model"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/redpacket/internal/db"
)

const (
	maxJoins   = 20_000 // of a game that are known at once; the latest
	maxFormers = 50     // of one member
)

// joins are the players of a game who became part of another member. Rows never
// change, so pots and helps stay with the id that they happened to, and whoever asks
// is looked up under all that he was.
type joins struct {
	now     map[model.MemberID]model.MemberID   // who a former one is
	formers map[model.MemberID][]model.MemberID // who a member was
}

// who is the member that an id of a row stands for now.
func (j joins) who(id model.MemberID) model.MemberID {
	if now, ok := j.now[id]; ok {
		return now
	}
	return id
}

// all are the ids that a member played under, his own first.
func (j joins) all(id model.MemberID) []model.MemberID {
	return append([]model.MemberID{id}, j.formers[id]...)
}

func (e *Engine) joinsOf(ctx context.Context, game GameID) (joins, error) {
	rows, err := e.q.JoinsOfGame(ctx, db.JoinsOfGameParams{GameID: int64(game), Limit: maxJoins})
	if err != nil {
		return joins{}, fmt.Errorf("read who became one in game %s: %w", game, err)
	}
	if len(rows) == 0 {
		return joins{}, nil
	}
	j := joins{make(map[model.MemberID]model.MemberID, len(rows)), make(map[model.MemberID][]model.MemberID, len(rows))}
	for _, row := range rows {
		former, member := model.MemberID(row.FormerID), model.MemberID(row.MemberID)
		j.now[former] = member
		if len(j.formers[member]) < maxFormers {
			j.formers[member] = append(j.formers[member], former)
		}
	}
	return j, nil
}

// JoinTx makes two members one, within the transaction that does so: from's pots are
// into's, neither helps the other's, and both together have the limits of one. What
// both had already stands. Help and Open know it within Options.GameFresh, the lists
// of a member at once. A repeat changes nothing.
func (e *Engine) JoinTx(ctx context.Context, tx *sql.Tx, from, into model.MemberID) error {
	q := e.q.WithTx(tx)
	err := q.MoveJoins(ctx, db.MoveJoinsParams{IntoID: int64(into), FromID: int64(from)})
	if err != nil {
		return fmt.Errorf("move who became one before: %w", err)
	}
	games, err := q.GamesOfMember(ctx, db.GamesOfMemberParams{Member: int64(from)})
	if err != nil {
		return fmt.Errorf("list the games of member %s: %w", from, err)
	}
	for _, game := range games {
		err := q.InsertJoin(ctx, db.InsertJoinParams{
			GameID: game, FormerID: int64(from), MemberID: int64(into), JoinedAt: int64(model.At(e.now())),
		})
		if err != nil && !sqldb.Duplicate(err) {
			return fmt.Errorf("note who became one in game %s: %w", GameID(game), err)
		}
	}
	return nil
}

// formersOf are the ids that a member played any game under, his own first, as SQL
// holds them now.
func (e *Engine) formersOf(ctx context.Context, member model.MemberID) ([]int64, error) {
	rows, err := e.q.FormersOf(ctx, db.FormersOfParams{MemberID: int64(member), Limit: maxFormers})
	if err != nil {
		return nil, fmt.Errorf("read who became member %s: %w", member, err)
	}
	return append([]int64{int64(member)}, rows...), nil
}

func rawMembers(members []model.MemberID) []int64 {
	ids := make([]int64, len(members))
	for i, id := range members {
		ids[i] = int64(id)
	}
	return ids
}

// joined completes an attempt of a helper who was somebody else before: his earlier
// helps of the day leave him fewer, and a help that he gave this pot then is his
// answer.
func (e *Engine) joined(ctx context.Context, a *attempt) (*standing, error) {
	for _, former := range a.ids[1:] {
		day, err := e.dayOf(ctx, former, a.pot.game, a.day)
		if err != nil {
			return nil, err
		}
		a.perDay = max(a.perDay-len(day), 0)
	}
	if len(a.ids) == 1 {
		return nil, nil
	}
	return e.own(ctx, a.pot.id, a.ids...)
}
