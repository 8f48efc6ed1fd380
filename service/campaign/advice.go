package campaign

import (
	"context"
	"fmt"

	"kaimenhong/model"
	"kaimenhong/model/fault"
)

// Advice looks at saved plans for those who edit and check them.
type Advice struct{ *Campaigns }

// Validate tells everything that is wrong with a saved version, as Submit would.
// Errors: ErrUnknown, ErrVersion.
func (a Advice) Validate(ctx context.Context, id model.ID, version int) ([]Problem, error) {
	v, err := a.Version(ctx, id, version)
	if err != nil {
		return nil, err
	}
	return a.troubles(ctx, v)
}

// Explain says a saved version in sentences. Errors: ErrUnknown, ErrVersion, and what
// is wrong with what it names.
func (a Advice) Explain(ctx context.Context, id model.ID, version int) (Explanation, error) {
	v, err := a.Version(ctx, id, version)
	if err != nil {
		return Explanation{}, err
	}
	return a.Campaigns.Explain(ctx, v.Plan)
}

// Sight is what a member would get by one channel.
type Sight struct {
	Step     model.ID
	Variant  string
	Channel  model.Channel
	Material model.ID
	Message  model.Message
	Problem  string // why it cannot be shown
}

// Preview shows what a member would get, by step, variant and channel. Errors:
// ErrUnknown, ErrVersion.
func (a Advice) Preview(ctx context.Context, id model.ID, version int, member model.MemberID) ([]Sight, error) {
	v, err := a.Version(ctx, id, version)
	if err != nil {
		return nil, err
	}
	var all []Sight
	for _, s := range v.Plan.Steps {
		for _, variant := range s.Variants {
			for _, w := range variant.Ways {
				sight := Sight{Step: s.ID, Variant: variant.Name, Channel: w.Channel, Material: w.Material}
				sight.Message, err = a.Library.Preview(ctx, w.Material, member)
				switch {
				case err != nil && missing(err):
					sight.Problem = fault.Of(err).Text
				case err != nil:
					return nil, fmt.Errorf("preview a material: %w", err)
				}
				all = append(all, sight)
			}
		}
	}
	return all, nil
}
