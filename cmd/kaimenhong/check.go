package main

import (
	"context"
	"flag"
	"fmt"
	"time"

	"kaimenhong/cmd/internal/app"
	"kaimenhong/cmd/internal/command"
	"kaimenhong/config"
)

// check is the command that looks before serve begins.
func (s *settings) check() command.Command {
	var ledger, audit, game bool
	return command.Command{
		Name: "check", Help: "Say all that is wrong with the settings, the stores, WeChat and the carrier.",
		Flags: func(f *flag.FlagSet) {
			f.BoolVar(&ledger, "ledger", false, "prove every invariant of the points ledger instead")
			f.BoolVar(&game, "game", false, "prove every invariant of the envelopes, their budgets and prizes instead")
			f.BoolVar(&audit, "audit", false, "prove that no row of the operators' audit was changed instead")
		},
		Run: func(ctx context.Context, _ []string) error {
			cfg, err := s.load()
			if !ledger && !audit && !game {
				return environment(ctx, cfg, err)
			}
			if err != nil {
				return err
			}
			return prove(ctx, cfg, ledger, audit, game)
		},
	}
}

// proofLimit bounds a proof, which reads whole tables.
const proofLimit = 6 * time.Hour

// prove prints every broken invariant and fails when there is one.
func prove(ctx context.Context, cfg config.Config, ledger, audit, game bool) error {
	ctx, cancel := context.WithTimeout(ctx, proofLimit)
	defer cancel()
	broken := 0
	for _, p := range []struct {
		asked bool
		name  string
		prove func(context.Context, config.Config) ([]string, error)
	}{{ledger, "ledger", app.CheckLedger}, {audit, "audit", app.CheckAudit}, {game, "game", app.CheckGame}} {
		if !p.asked {
			continue
		}
		rows, err := p.prove(ctx, cfg)
		if err != nil {
			return err
		}
		for _, row := range rows {
			fmt.Printf("%s: %s\n", p.name, row)
		}
		broken += len(rows)
	}
	return verdict(broken)
}

// environment says all that is wrong with the place in which the program runs.
func environment(ctx context.Context, cfg config.Config, settings error) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	fatal := 0
	for _, f := range app.Check(ctx, cfg, settings) {
		word := "warning"
		if f.Fatal {
			word = "wrong"
			fatal++
		}
		fmt.Printf("%s: %s\n", word, f)
	}
	return verdict(fatal)
}

func verdict(broken int) error {
	if broken > 0 {
		return fmt.Errorf("%d things to mend", broken)
	}
	fmt.Println("all is well")
	return nil
}
