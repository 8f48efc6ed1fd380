// Command kaimenhong is the production binary: serve, migrate, check, operator.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"

	"kaimenhong/config"
	"kaimenhong/model/fault"
)

// commands is the command line.
type commands struct {
	Config string `help:"The YAML file with the settings; the environment comes after it." type:"existingfile" env:"KMH_CONFIG"`

	Serve   serve   `cmd:"" help:"Answer requests and run the jobs."`
	Migrate migrate `cmd:"" help:"Bring the database up to date."`
	Healthy healthy `cmd:"" hidden:"" help:"For a container: is the process beside me ready?"`
	Check   check   `cmd:"" help:"Say all that is wrong with the settings, the stores, WeChat and the carrier."`
	Menu    menu    `cmd:"" help:"Publish the account's menu at WeChat."`

	Operator operatorCommand `cmd:"" help:"People who work in the console."`
	Proof    proof           `cmd:"" help:"Verify the proof of a pot."`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var c commands
	k := kong.Parse(&c, kong.Name("kaimenhong"), kong.Description("Serves and wins a carrier's customers inside WeChat."),
		kong.UsageOnError(), kong.BindTo(ctx, (*context.Context)(nil)))
	if err := k.Run(&c); err != nil {
		fmt.Fprintln(os.Stderr, "kaimenhong:", err)
		stop()
		os.Exit(1)
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
func (c *commands) load() (config.Config, error) { return config.Load(c.Config, os.Environ()) }
