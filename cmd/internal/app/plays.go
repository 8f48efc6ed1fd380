package app

import (
	"context"
	"fmt"
	"slices"

	"kaimenhong/model"
	"kaimenhong/model/page"
	"kaimenhong/service/payout"
	"kaimenhong/service/redpacket"
)

// maxGames bounds the games that Play looks through, the newest.
const maxGames = 1000

// Play makes the games, each unless one of its name is there that is not over, and
// returns all of these in the order given.
func (a *App) Play(ctx context.Context, games []redpacket.Rules) ([]redpacket.Game, error) {
	there, _, err := page.All(maxGames, func(cursor string, limit int) ([]redpacket.Game, string, error) {
		return a.domains.redpacket.All(ctx, cursor, limit)
	})
	if err != nil {
		return nil, err
	}
	byName := make(map[string]redpacket.Game, len(there))
	now := model.At(a.domains.moments.now())
	for _, g := range slices.Backward(there) { // the newest of a name is the one
		if g.Rules.EndsAt > now {
			byName[g.Rules.Name] = g
		}
	}
	made := make([]redpacket.Game, 0, len(games))
	for _, rules := range games {
		game, ok := byName[rules.Name]
		if !ok {
			if game, err = a.domains.redpacket.CreateGame(ctx, rules); err != nil {
				return made, fmt.Errorf("make the game %s: %w", rules.Name, err)
			}
		}
		made = append(made, game)
	}
	return made, nil
}

// Redpacket is the engine of the games, for whoever stops one, looks at its budget or
// checks it.
func (a *App) Redpacket() *redpacket.Engine { return a.domains.redpacket }

// Payer brings the prizes, for whoever decides about those that wait.
func (a *App) Payer() *payout.Payer { return a.domains.payer }

// Reconcile compares games, prizes and the carrier now rather than at night.
func (a *App) Reconcile(ctx context.Context) error { return a.domains.moments.Reconcile(ctx) }

// Recall compares WeChat's followers with the members now rather than at night.
func (a *App) Recall(ctx context.Context) (int, error) { return a.domains.followers(a.log).Recall(ctx) }

// Remind tells the owners whose pots end in two hours now rather than by the clock.
func (a *App) Remind(ctx context.Context) (int, error) { return a.domains.moments.Remind(ctx) }
