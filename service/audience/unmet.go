package audience

import (
	"context"

	"kaimenhong/model"
)

// maxUnmet bounds the conditions that Unmet tells.
const maxUnmet = 10

// Unmet tells, in words with what is known of the member, which conditions of a
// segment he does not meet now; none when he is in it. Errors: ErrNoSegment,
// ErrSegment, ErrUnknown.
func (a *Audience) Unmet(ctx context.Context, segment model.ID, member model.MemberID) ([]string, error) {
	s, err := a.Segment(ctx, segment)
	if err != nil {
		return nil, err
	}
	why, err := a.WhyIn(ctx, s.Tree, member)
	if err != nil {
		return nil, err
	}
	unmet := why.unmet()
	return unmet[:min(len(unmet), maxUnmet)], nil
}

// unmet are the smallest conditions that would have to be otherwise. Of those joined by
// "or" none holds, and any one would do: they are told as one.
func (w Why) unmet() []string {
	if w.Holds {
		return nil
	}
	var all []string
	for _, kid := range w.Kids {
		all = append(all, kid.unmet()...)
	}
	if w.any || len(all) == 0 {
		value := w.Value
		if len(w.Kids) == 1 { // of "not"
			value = w.Kids[0].Value
		}
		if value != "" {
			value = "（他：" + value + "）"
		}
		return []string{"没有满足：" + w.Text + value}
	}
	return all
}
