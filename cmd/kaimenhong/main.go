// Command kaimenhong is the production binary: serve, migrate, check, reseal, operator.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"kaimenhong/cmd/internal/command"
	"kaimenhong/config"
	"kaimenhong/model/fault"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := program().Run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "kaimenhong:", err)
		stop()
		os.Exit(1)
	}
}

// settings read the configuration, for every command.
type settings struct{ path string }

func program() command.Program {
	var s settings
	return command.Program{
		Name: "kaimenhong", Help: "serves and wins a carrier's customers inside WeChat.",
		Flags: func(f *flag.FlagSet) {
			f.StringVar(&s.path, "config", os.Getenv(config.FileVariable), "the YAML file with the settings, also "+config.FileVariable+"; the environment comes after it")
		},
		Commands: []command.Command{
			{Name: "serve", Help: "Answer requests and run the jobs.", Run: s.serve},
			{Name: "migrate", Help: "Bring the database up to date.", Run: s.migrate},
			{Name: "healthy", Help: "For a container: is the process beside me ready?", Hidden: true, Run: s.healthy},
			s.check(),
			{Name: "menu", Help: "Publish the account's menu at WeChat.", Run: s.menu},
			s.addOperator(),
			{Name: "reseal", Help: "Seal what an older version of security.phone_key sealed with the newest.", Run: s.reseal},
			s.rehearse(),
			{Name: "proof verify", Args: []string{"FILE"}, Help: "Verify the proof of a pot, as GET …/proof answers it; - reads standard input.", Run: verifyProof},
		},
	}
}

// said adds what a fault says to its reader.
func said(err error) error {
	if f := fault.Of(err); f.Code != "internal" {
		return fmt.Errorf("%w: %s", err, f.Text)
	}
	return err
}

// load reads the settings.
func (s *settings) load() (config.Config, error) { return config.Load(s.path, os.Environ()) }
