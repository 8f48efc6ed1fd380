// Command demo runs the whole thing in one process: the application on embedded
// stores, the sandbox, demo data and the phone page. `demo sandbox` runs the
// sandbox alone, for use with `kaimenhong serve`.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"
)

type commands struct {
	Run     run     `cmd:"" default:"withargs" help:"The application, the sandbox and demo data."`
	Sandbox outside `cmd:"" help:"The sandbox alone, for use with kaimenhong serve."`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var c commands
	k := kong.Parse(&c, kong.Name("demo"), kong.Description("Kaimenhong with an outside world of its own."), kong.UsageOnError(),
		kong.BindTo(ctx, (*context.Context)(nil)))
	if err := k.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		stop()
		os.Exit(1)
	}
}
