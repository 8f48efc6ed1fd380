// Package command reads a command line: program word [word] [flags and arguments].
//
// It is a page of the standard library's flag on purpose. A general command-line
// library calls methods by names that it learns at run time, and a program in which
// anything does so keeps every method of every type it links: a third of the
// production binary.
package command

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Program is everything that can be typed after the program's name.
type Program struct {
	Name, Help string
	Flags      func(f *flag.FlagSet) // flags of every command; nil: none
	Commands   []Command
}

// Command is one thing that the program does.
type Command struct {
	Name   string                // its words, as in "operator add"; "" is what runs when none is typed
	Args   []string              // what its arguments are, as in "USERNAME"; each is needed
	Help   string                // one sentence
	Hidden bool                  // from the list of commands
	Flags  func(f *flag.FlagSet) // flags of its own; nil: none
	Run    func(ctx context.Context, args []string) error
}

// ErrUsage is a command line that was not understood.
var ErrUsage = errors.New("see --help")

// Run reads args, which lack the program's name, and runs the command they name.
// What --help says goes to out.
func (p Program) Run(ctx context.Context, args []string, out io.Writer) error {
	global := p.flags()
	words := args
	if len(args) > 0 && strings.HasPrefix(args[0], "-") && !p.has("") {
		if err := global.Parse(args); err != nil {
			return p.usage(err, out)
		}
		words = global.Args()
	}
	c, rest, ok := p.find(words)
	if !ok {
		if len(words) == 0 {
			return p.usage(flag.ErrHelp, out)
		}
		return fmt.Errorf("%q is no command; %w", strings.Join(words, " "), ErrUsage)
	}
	if c.Flags != nil {
		c.Flags(global)
	}
	given, err := parse(global, rest)
	if errors.Is(err, flag.ErrHelp) {
		return p.explain(c, global, out)
	}
	if err != nil {
		return fmt.Errorf("%s: %w; %w", c.Name, err, ErrUsage)
	}
	if len(given) != len(c.Args) {
		return fmt.Errorf("%s needs %d arguments (%s) and got %d; %w", strings.TrimSpace(p.Name+" "+c.Name), len(c.Args), strings.Join(c.Args, " "), len(given), ErrUsage)
	}
	return c.Run(ctx, given)
}

func (p Program) flags() *flag.FlagSet {
	f := flag.NewFlagSet(p.Name, flag.ContinueOnError)
	f.SetOutput(io.Discard) // errors are returned, and help is asked for
	if p.Flags != nil {
		p.Flags(f)
	}
	return f
}

func (p Program) has(name string) bool {
	return slices.ContainsFunc(p.Commands, func(c Command) bool { return c.Name == name })
}

// find returns the command with the most words that args begin with, and the rest.
func (p Program) find(args []string) (found Command, rest []string, ok bool) {
	most := -1
	for _, c := range p.Commands {
		words := strings.Fields(c.Name)
		if len(words) > most && len(words) <= len(args) && slices.Equal(words, args[:len(words)]) {
			most, found, rest, ok = len(words), c, args[len(words):], true
		}
	}
	return found, rest, ok
}

// parse reads flags before, between and after the arguments, which it returns.
func parse(f *flag.FlagSet, args []string) (given []string, err error) {
	for {
		if err := f.Parse(args); err != nil {
			return nil, err
		}
		if f.NArg() == 0 {
			return given, nil
		}
		given, args = append(given, f.Arg(0)), f.Args()[1:]
	}
}

// usage lists the commands when help was asked for, and returns any other mistake.
func (p Program) usage(err error, out io.Writer) error {
	if !errors.Is(err, flag.ErrHelp) {
		return fmt.Errorf("%w; %w", err, ErrUsage)
	}
	text := fmt.Sprintf("%s: %s\n\n", p.Name, p.Help)
	for _, c := range p.Commands {
		if !c.Hidden {
			text += fmt.Sprintf("  %-34s %s\n", strings.Join(append([]string{p.Name, c.Name}, c.Args...), " "), c.Help)
		}
	}
	_, err = io.WriteString(out, text+describe(p.flags()))
	return err
}

// explain says how one command is typed.
func (p Program) explain(c Command, f *flag.FlagSet, out io.Writer) error {
	if c.Name == "" {
		if err := p.usage(flag.ErrHelp, out); err != nil {
			return err
		}
	}
	line := strings.Join(strings.Fields(strings.Join(append([]string{p.Name, c.Name}, c.Args...), " ")), " ")
	_, err := fmt.Fprintf(out, "%s [flags]: %s\n%s", line, c.Help, describe(f))
	return err
}

func describe(f *flag.FlagSet) string {
	var text strings.Builder
	f.VisitAll(func(one *flag.Flag) {
		fmt.Fprintf(&text, "  --%-12s %s", one.Name, one.Usage)
		if one.DefValue != "" && one.DefValue != "false" {
			fmt.Fprintf(&text, " (default %s)", one.DefValue)
		}
		text.WriteByte('\n')
	})
	if text.Len() == 0 {
		return ""
	}
	return "\nflags:\n" + text.String()
}
