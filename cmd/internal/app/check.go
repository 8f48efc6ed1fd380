package app

import (
	"context"
	"errors"
	"strings"

	"kaimenhong/config"
	"kaimenhong/model"
)

// Check says all that is wrong at once: with the settings (what Load returned),
// then with whatever the settings are good enough to reach.
func Check(ctx context.Context, cfg config.Config, settings error) []model.Finding {
	findings := lines(settings, "config/example.yaml explains each setting")
	s, err := openStores(ctx, cfg)
	if err != nil {
		return append(findings, lines(err, "is the server there, and do the settings name it?")...)
	}
	defer s.stop()
	found, err := s.inspect(ctx)
	return append(append(findings, found...), lines(err, "does the user have the rights?")...)
}

// lines makes each error of a join a finding.
func lines(err error, fix string) (findings []model.Finding) {
	if err == nil {
		return nil
	}
	var joined interface{ Unwrap() []error }
	if errors.As(err, &joined) {
		for _, e := range joined.Unwrap() {
			findings = append(findings, lines(e, fix)...)
		}
		return findings
	}
	return []model.Finding{{What: strings.TrimSpace(err.Error()), Fix: fix, Fatal: true}}
}
