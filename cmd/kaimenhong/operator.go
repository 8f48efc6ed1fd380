package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"kaimenhong/cmd/internal/app"
	"kaimenhong/service/operator"
)

type operatorCommand struct {
	Add addOperator `cmd:"" help:"Make an account for the console; the password is read from standard input."`
}

type addOperator struct {
	Username string   `arg:"" help:"3 to 32 lower-case letters, digits, dots and hyphens."`
	Name     string   `help:"The person's name." required:""`
	Role     []string `help:"admin, planner, editor, reviewer, support, analyst, auditor; several with commas." required:""`
}

// addLimit bounds the hashing and the writing.
const addLimit = 30 * time.Second

// Run makes the account. The password never stands on the command line, where
// others on the machine would read it.
func (a addOperator) Run(ctx context.Context, c *commands) error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	password, err := readPassword(os.Stdin)
	if err != nil {
		return err
	}
	account := operator.Account{Username: a.Username, Name: a.Name, Password: password}
	for _, role := range a.Role {
		account.Roles = append(account.Roles, operator.Role(role))
	}
	ctx, cancel := context.WithTimeout(ctx, addLimit)
	defer cancel()
	id, err := app.AddOperator(ctx, cfg, account)
	if err != nil {
		return said(err)
	}
	fmt.Printf("operator %s has the id %s\n", a.Username, id)
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
