package redpacket

import "context"

// take asks Redis for a number of the helper's day and for a slot. nth is 0 when the
// day seems full: then there is no decision.
func (e *Engine) take(ctx context.Context, a *attempt) (nth int, d decision, err error) {
	if e.forgotten(a.pot) {
		if nth, d, err = e.touch(ctx, a); err != nil || nth != 0 {
			return nth, d, err
		}
		// Another has told Redis meanwhile, or the day seems full.
	}
	if nth, err = e.takeNumber(ctx, a, a.day); err != nil || nth == 0 {
		return 0, decision{}, err
	}
	d, err = e.takeSlot(ctx, a)
	return nth, d, err
}

// takeSlot asks Redis for a slot, and tells it of the pot where it knows none.
func (e *Engine) takeSlot(ctx context.Context, a *attempt) (decision, error) {
	d, err := e.askSlot(ctx, a)
	if err != nil || d.code != "MISSING" {
		return d, err
	}
	var said any
	err = e.merging(ctx, a.pot, func(ctx context.Context) error {
		rows, err := e.standingArgs(ctx, a.pot)
		if err == nil {
			said, err = e.tell(ctx, a, rows)
		}
		return err
	})
	switch {
	case err != nil:
		return decision{}, err
	case said == nil: // another did
		return e.askSlot(ctx, a)
	}
	return readDecision(said)
}

// touch is take for a pot that Redis seems to have forgotten: its rows are read while
// the number is taken, and go in with the question for the slot. Whoever finds
// another at it waits for him and gets no number here.
func (e *Engine) touch(ctx context.Context, a *attempt) (nth int, d decision, err error) {
	var said any
	err = e.merging(ctx, a.pot, func(ctx context.Context) error {
		var refused error
		taken := make(chan struct{})
		go func() {
			nth, refused = e.takeNumber(ctx, a, a.day)
			close(taken)
		}()
		rows, err := e.standingArgs(ctx, a.pot)
		<-taken
		switch {
		case err != nil:
			return err
		case refused != nil:
			return refused
		case nth == 0:
			return nil
		}
		said, err = e.tell(ctx, a, rows)
		return err
	})
	if err != nil || nth == 0 {
		return 0, decision{}, err
	}
	d, err = readDecision(said)
	return nth, d, err
}

// tell merges the rows of a pot and asks for a slot, in one script.
func (e *Engine) tell(ctx context.Context, a *attempt, rows []any) (any, error) {
	losses := e.losses.Load()
	said, err := e.redis.run(ctx, tellScript, a.pot.id.slotsKey(), append(a.question(), rows...)...)
	if err == nil {
		e.remembers(a, losses, true)
	}
	return said, err
}

func (e *Engine) askSlot(ctx context.Context, a *attempt) (decision, error) {
	losses := e.losses.Load()
	said, err := e.redis.run(ctx, slotScript, a.pot.id.slotsKey(), a.question()...)
	if err != nil {
		return decision{}, err
	}
	d, err := readDecision(said)
	if err == nil {
		e.remembers(a, losses, d.code != "MISSING")
	}
	return d, err
}

// question is what the slot script takes.
func (a *attempt) question() []any {
	return []any{int64(a.helper()), int64(a.day), string(a.Request), int64(a.now)}
}

// remembers notes whether Redis knew the pot when it had lost its memory so often. It
// forgets no pot that is not over, so one that it was told of and does not know says
// that it lost the others, too.
func (e *Engine) remembers(a *attempt, losses int64, knows bool) {
	switch told := a.pot.told.Load(); {
	case knows && told != losses:
		a.pot.told.Store(losses)
	case !knows && told == losses && a.now < a.pot.ends:
		e.losses.CompareAndSwap(losses, losses+1)
	}
}

// forgotten tells whether Redis is likely not to know the pot: it was opened here and
// nobody has helped yet, or Redis has lost its memory since it knew it. A wrong guess
// costs one reading of the rows and breaks nothing.
func (e *Engine) forgotten(pot *facts) bool {
	told := pot.told.Load()
	return pot.fresh.Load() || told != 0 && told != e.losses.Load()
}
