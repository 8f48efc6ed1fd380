// Package payout brings prizes to those who won them.
//
// Invariant: a pot has one payout, for ever; it is made in the transaction that says
// the pot has won.
//
// Tables: payout. No other package touches them.
package payout

import (
	"context"
	"database/sql"
	"fmt"

	"kaimenhong/model"
)

// State is where a payout is on its way.
type State string

// Created is booked, nothing has been sent.
const Created State = "created"

// Book is the list of payouts.
type Book struct{}

// NewBook returns the book.
func NewBook() *Book { return &Book{} }

// CreateTx books the prizes within the transaction that says they were won. A pot
// that has a payout already is a duplicate key.
func (b *Book) CreateTx(ctx context.Context, tx *sql.Tx, prizes []model.Prize) error {
	if len(prizes) == 0 {
		return nil
	}
	query := []byte(`INSERT INTO payout (pot_id, game_id, member_id, kind, value, quantity, state, held_why, created_at, updated_at) VALUES `)
	var args []any
	for i, p := range prizes {
		if i > 0 {
			query = append(query, ',')
		}
		query = append(query, `(?,?,?,?,?,?,?,'',?,?)`...)
		args = append(args, int64(p.Pot), int64(p.Game), int64(p.Member), string(p.Kind), int64(p.Value), p.Quantity,
			string(Created), int64(p.At), int64(p.At))
	}
	if _, err := tx.ExecContext(ctx, string(query), args...); err != nil {
		return fmt.Errorf("book %d prizes: %w", len(prizes), err)
	}
	return nil
}
