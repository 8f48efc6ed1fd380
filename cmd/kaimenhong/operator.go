package main

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"kaimenhong/cmd/internal/app"
	"kaimenhong/cmd/internal/command"
	"kaimenhong/service/operator"
)

// addOperator is the command that makes the first accounts. The password never
// stands on the command line, where others on the machine would read it.
func (s *settings) addOperator() command.Command {
	var name, roles string
	return command.Command{
		Name: "operator add", Args: []string{"USERNAME"},
		Help: "Make an account for the console; the password is read from standard input.",
		Flags: func(f *flag.FlagSet) {
			f.StringVar(&name, "name", "", "the person's name")
			f.StringVar(&roles, "role", "", "admin, planner, editor, reviewer, support, analyst, auditor; several with commas")
		},
		Run: func(ctx context.Context, args []string) error {
			if name == "" || roles == "" {
				return fmt.Errorf("operator add needs --name and --role; %w", command.ErrUsage)
			}
			account := operator.Account{Username: args[0], Name: name}
			for role := range strings.SplitSeq(roles, ",") {
				account.Roles = append(account.Roles, operator.Role(strings.TrimSpace(role)))
			}
			return s.add(ctx, account)
		},
	}
}

// addLimit bounds the hashing and the writing.
const addLimit = 30 * time.Second

// add makes the account with the password that is typed.
func (s *settings) add(ctx context.Context, account operator.Account) error {
	cfg, err := s.load()
	if err != nil {
		return err
	}
	if account.Password, err = readPassword(os.Stdin); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, addLimit)
	defer cancel()
	id, err := app.AddOperator(ctx, cfg, account)
	if err != nil {
		return said(err)
	}
	fmt.Printf("operator %s has the id %s\n", account.Username, id)
	return nil
}

// maxPassword bounds what is read; the domain's own limit is lower.
const maxPassword = 1024

func readPassword(in *os.File) (string, error) {
	if info, err := in.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
		fmt.Fprint(os.Stderr, "password (it is shown): ")
	}
	line, err := bufio.NewReader(io.LimitReader(in, maxPassword)).ReadString('\n')
	if err != nil && err != io.EOF {
		return "", fmt.Errorf("read the password: %w", err)
	}
	return strings.TrimRight(line, "\r\n"), nil
}
