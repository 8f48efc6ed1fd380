// Command demo runs the whole thing in one process: the application on embedded
// stores, the sandbox, demo data and the phone page. `demo sandbox` runs the
// sandbox alone, for use with `kaimenhong serve`.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"kaimenhong/cmd/internal/command"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := program().Run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		stop()
		os.Exit(1)
	}
}

func program() command.Program {
	var r run
	var o outside
	return command.Program{
		Name: "demo", Help: "Kaimenhong with an outside world of its own.",
		Commands: []command.Command{
			{
				Name: "", Help: "The application, the sandbox and demo data.", Run: r.start,
				Flags: func(f *flag.FlagSet) {
					f.StringVar(&r.Addr, "addr", "127.0.0.1:8080", "where to listen; the demo has no sign-in, so keep it on this machine")
					f.StringVar(&r.Data, "data", "./data", "the folder that keeps everything over a restart")
				},
			},
			{
				Name: "sandbox", Help: "The sandbox alone, for use with kaimenhong serve.", Run: o.start,
				Flags: func(f *flag.FlagSet) {
					f.StringVar(&o.Addr, "addr", "127.0.0.1:8081", "where to listen; the sandbox has no sign-in, so keep it on this machine")
					f.StringVar(&o.Data, "data", "./data", "the folder that keeps the sandbox over a restart")
					f.StringVar(&o.Callback, "callback", "http://127.0.0.1:8080/wechat/callback", "where the application answers WeChat")
				},
			},
		},
	}
}
