package main

import (
	"context"
	"fmt"
	"time"

	"kaimenhong/cmd/internal/app"
	"kaimenhong/config"
)

type check struct {
	Ledger bool `help:"Prove every invariant of the points ledger instead."`
	Audit  bool `help:"Prove that no row of the operators' audit was changed instead."`
}

// proofLimit bounds a proof, which reads whole tables.
const proofLimit = 6 * time.Hour

// Run prints every finding and fails when there is one to mend.
func (k check) Run(ctx context.Context, c *commands) error {
	cfg, err := c.load()
	if !k.Ledger && !k.Audit {
		return environment(ctx, cfg, err)
	}
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, proofLimit)
	defer cancel()
	broken := 0
	for _, p := range []struct {
		asked bool
		name  string
		prove func(context.Context, config.Config) ([]string, error)
	}{{k.Ledger, "ledger", app.CheckLedger}, {k.Audit, "audit", app.CheckAudit}} {
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
