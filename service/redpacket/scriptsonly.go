package redpacket

import "context"

// ScriptsOnly acknowledges what Redis said, at once and without any record. It is
// what a game in memory costs, and nothing but the bench may use it: a help that it
// acknowledges is lost with the next flush.
type ScriptsOnly struct{ engine *Engine }

// NewScriptsOnly returns the version without a record.
func NewScriptsOnly(e *Engine) *ScriptsOnly { return &ScriptsOnly{e} }

// Help runs the two scripts of a help and answers from them.
func (s *ScriptsOnly) Help(ctx context.Context, in HelpRequest) (Help, error) {
	e := s.engine
	ctx, cancel := context.WithTimeout(ctx, e.opts.Timeout)
	defer cancel()
	a, err := e.newAttempt(ctx, in)
	if err != nil {
		return Help{}, orUnavailable(err)
	}
	for range maxTries {
		_, d, err := e.take(ctx, a)
		if err != nil {
			return Help{}, orUnavailable(err)
		}
		switch d.code {
		case "", "MISSING":
			continue
		case "ENDED":
			return Help{}, ErrEnded
		case "FULL":
			return Help{}, ErrFull
		}
		if !a.pot.has(d.k) {
			return Help{}, ErrBusy
		}
		return Help{Pot: in.Pot, K: d.k, N: a.pot.n(), Share: a.pot.share(d.k)}, nil
	}
	return Help{}, ErrBusy
}
