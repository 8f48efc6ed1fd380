package command_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"strings"
	"testing"

	"kaimenhong/cmd/internal/command"
)

func TestALineRunsWhatItNames(t *testing.T) {
	var config, name string
	said := ""
	program := command.Program{
		Name: "shop", Help: "Sells.", Flags: func(f *flag.FlagSet) { f.StringVar(&config, "config", "", "the settings") },
		Commands: []command.Command{
			{Name: "serve", Help: "Answers.", Run: func(context.Context, []string) error { said = "serve " + config; return nil }},
			{Name: "clerk", Hidden: true, Run: func(context.Context, []string) error { said = "clerk"; return nil }},
			{
				Name: "clerk add", Args: []string{"USERNAME"}, Help: "Hires.",
				Flags: func(f *flag.FlagSet) { f.StringVar(&name, "name", "nobody", "the person's name") },
				Run: func(_ context.Context, args []string) error {
					said = fmt.Sprintf("add %s %s %s", args[0], name, config)
					return nil
				},
			},
		},
	}
	for _, tt := range []struct{ line, want, help, wrong string }{
		{line: "serve", want: "serve "},
		{line: "--config a.yaml serve", want: "serve a.yaml"},
		{line: "serve --config=a.yaml", want: "serve a.yaml"},
		{line: "clerk", want: "clerk"},
		{line: "clerk add wang --name Fang --config b", want: "add wang Fang b"},
		{line: "clerk add --name Fang wang", want: "add wang Fang "},
		{line: "clerk add -", want: "add - nobody "},
		{line: "", help: "shop serve"},
		{line: "--help", help: "Answers."},
		{line: "clerk add --help", help: "(default nobody)"},
		{line: "sell", wrong: `"sell" is no command`},
		{line: "serve --colour red", wrong: "-colour"},
		{line: "--colour red serve", wrong: "-colour"},
		{line: "clerk add", wrong: "needs 1 arguments (USERNAME) and got 0"},
		{line: "clerk add wang li", wrong: "got 2"},
		{line: "serve now", wrong: "got 1"},
	} {
		said, config, name = "", "", ""
		var out strings.Builder
		err := program.Run(t.Context(), strings.Fields(tt.line), &out)
		if said != tt.want || !strings.Contains(out.String(), tt.help) || (tt.help == "") != (out.Len() == 0) {
			t.Errorf("%q runs %q and says %q, want %q and %q", tt.line, said, out.String(), tt.want, tt.help)
		}
		if (err != nil) != (tt.wrong != "") || err != nil && (!strings.Contains(err.Error(), tt.wrong) || !errors.Is(err, command.ErrUsage)) {
			t.Errorf("%q = %v, want %q", tt.line, err, tt.wrong)
		}
	}
	var out strings.Builder
	if err := program.Run(t.Context(), []string{"-h"}, &out); err != nil || strings.Contains(out.String(), "shop clerk\n") {
		t.Errorf("-h = %v and shows a hidden command: %s", err, out.String())
	}
}

func TestALineWithoutWordsRunsTheDefault(t *testing.T) {
	addr, ran := "", ""
	flags := func(f *flag.FlagSet) { f.StringVar(&addr, "addr", ":1", "where to listen") }
	program := command.Program{Name: "demo", Help: "Shows.", Commands: []command.Command{
		{Name: "", Help: "All of it.", Flags: flags, Run: func(context.Context, []string) error { ran = "all " + addr; return nil }},
		{Name: "sandbox", Help: "A part.", Flags: flags, Run: func(context.Context, []string) error { ran = "part " + addr; return nil }},
	}}
	for line, want := range map[string]string{"": "all :1", "--addr :2": "all :2", "sandbox --addr :3": "part :3"} {
		ran, addr = "", ""
		if err := program.Run(t.Context(), strings.Fields(line), &strings.Builder{}); err != nil || ran != want {
			t.Errorf("%q = %v and runs %q, want %q", line, err, ran, want)
		}
	}
	if err := program.Run(t.Context(), []string{"sandbx"}, &strings.Builder{}); !errors.Is(err, command.ErrUsage) {
		t.Errorf("a word that is no command = %v, want %v", err, command.ErrUsage)
	}
	var out strings.Builder
	if err := program.Run(t.Context(), []string{"--help"}, &out); err != nil || !strings.Contains(out.String(), "demo sandbox") || !strings.Contains(out.String(), "--addr") {
		t.Errorf("--help = %v and says %q, want the commands and the flags", err, out.String())
	}
}
