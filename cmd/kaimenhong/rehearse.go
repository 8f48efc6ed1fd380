package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"time"

	"kaimenhong/cmd/internal/app"
	"kaimenhong/cmd/internal/command"
	"kaimenhong/model"
)

// rehearse is the command that runs a campaign in a scratch copy and says what would
// happen.
func (s *settings) rehearse() command.Command {
	var version int
	b := app.DefaultBehaviour
	return command.Command{
		Name: "rehearse", Args: []string{"CAMPAIGN"},
		Help: "Run a campaign that was handed in for review in a scratch copy with a virtual clock, and say what would happen. Nothing is sent or changed.",
		Flags: func(f *flag.FlagSet) {
			f.IntVar(&version, "version", 0, "the version of the plan; 0 is the last that was handed in")
			f.Float64Var(&b.Tap, "tap", b.Tap, "of those whom a message reaches, how many tap it")
			f.Float64Var(&b.Open, "open", b.Open, "of those who tap, how many open a red packet")
			f.Float64Var(&b.Help, "help", b.Help, "of the friends who are asked, how many help")
		},
		Run: func(ctx context.Context, args []string) error {
			cfg, err := s.load()
			if err != nil {
				return err
			}
			id, err := model.ParseID(args[0])
			if err != nil {
				return fmt.Errorf("CAMPAIGN: %w", err)
			}
			r, err := app.Rehearse(ctx, cfg, time.Now, id, version, b)
			if err != nil {
				return said(err)
			}
			return r.Write(os.Stdout)
		},
	}
}
