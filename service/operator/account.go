package operator

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"kaimenhong/model"
	"kaimenhong/model/page"
	"kaimenhong/model/sheet"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/operator/internal/db"
)

// maxRegion and maxName bound the names of a province or city and of a person, in characters.
const (
	maxRegion = 32
	maxName   = 20
)

// checkRegions refuses what the table cannot hold or nobody can mean.
func checkRegions(regions model.Regions) error {
	if len(regions) > model.MaxRegions {
		return ErrRegion
	}
	for i, r := range regions {
		if !readable(r.Province, maxRegion) || r.City != "" && !readable(r.City, maxRegion) || slices.Contains(regions[:i], r) {
			return ErrRegion
		}
	}
	return nil
}

func addRegions(ctx context.Context, q *db.Queries, id model.ID, regions model.Regions) error {
	for _, r := range regions {
		if err := q.AddRegion(ctx, db.AddRegionParams{OperatorID: int64(id), Province: r.Province, City: r.City}); err != nil {
			return err
		}
	}
	return nil
}

// regionsOf are an account's regions.
func (o *Operators) regionsOf(ctx context.Context, id int64) (model.Regions, error) {
	rows, err := o.q.Regions(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("read regions: %w", err)
	}
	var regions model.Regions
	for _, row := range rows {
		regions = append(regions, model.Region{Province: row.Province, City: row.City})
	}
	return regions, nil
}

func (o *Operators) read(ctx context.Context, row db.Operator) (Operator, error) {
	regions, err := o.regionsOf(ctx, row.ID)
	return Operator{
		ID: model.ID(row.ID), Username: row.Username, Name: row.Name, Roles: splitRoles(row.Roles), TOTP: row.TotpActive,
		Regions: regions, Renew: row.Renew.Bool, DisabledAt: model.Millis(row.DisabledAt), CreatedAt: model.Millis(row.CreatedAt),
	}, err
}

// Get reads an account. Errors: ErrUnknown.
func (o *Operators) Get(ctx context.Context, id model.ID) (Operator, error) {
	row, err := o.q.ByID(ctx, int64(id))
	if errors.Is(err, sql.ErrNoRows) {
		return Operator{}, ErrUnknown
	}
	if err != nil {
		return Operator{}, fmt.Errorf("read operator: %w", err)
	}
	return o.read(ctx, row)
}

// List is one page of accounts, newest first; next is empty after the last.
// Errors: page.ErrCursor.
func (o *Operators) List(ctx context.Context, cursor string, limit int) (list []Operator, next string, err error) {
	before, err := page.Before(cursor)
	if err != nil {
		return nil, "", err
	}
	size := page.Size(limit)
	rows, err := o.q.Page(ctx, db.PageParams{Before: before, Limit: size + 1})
	if err != nil {
		return nil, "", fmt.Errorf("list operators: %w", err)
	}
	rows, next = page.Cut(rows, size, func(r db.Operator) string { return page.Cursor(r.ID) })
	for _, row := range rows {
		one, err := o.read(ctx, row)
		if err != nil {
			return nil, "", err
		}
		list = append(list, one)
	}
	return list, next, nil
}

// Change is what an account's manager may change.
type Change struct {
	Name    string
	Roles   []Role
	Regions model.Regions
}

// Update changes an account. Errors: ErrName, ErrRole, ErrRegion, ErrUnknown,
// ErrLastAdmin.
func (o *Operators) Update(ctx context.Context, id model.ID, c Change, by model.ID) error {
	for _, err := range []error{checkName(c.Name), checkRoles(c.Roles), checkRegions(c.Regions)} {
		if err != nil {
			return err
		}
	}
	was, err := o.Get(ctx, id)
	if err != nil {
		return err
	}
	detail := accountDetail{Name: c.Name, Roles: c.Roles, Regions: named(c.Regions), Before: &accountDetail{Name: was.Name, Roles: was.Roles, Regions: named(was.Regions)}}
	return o.changing(ctx, id, by, "operator.update", detail, func(q *db.Queries) (int64, error) {
		// A row that is as it should be counts as none on some engines, so it is not asked.
		if _, err := q.Change(ctx, db.ChangeParams{Name: c.Name, Roles: joinRoles(c.Roles), ID: int64(id)}); err != nil {
			return 0, err
		}
		if err := q.DropRegions(ctx, int64(id)); err != nil {
			return 0, err
		}
		return 1, addRegions(ctx, q, id, c.Regions)
	})
}

type accountDetail struct {
	Username string         `json:"username,omitempty"`
	Name     string         `json:"name,omitempty"`
	Roles    []Role         `json:"roles,omitempty"`
	Regions  []string       `json:"regions,omitempty"` // 广东, 江苏南京; none: all of them
	Before   *accountDetail `json:"before,omitempty"`  // what a change found
}

func named(regions model.Regions) (names []string) {
	for _, r := range regions {
		names = append(names, r.Province+r.City)
	}
	return names
}

// Disable ends an account and all its sessions at once. Errors: ErrUnknown, also
// for one that is disabled already; ErrLastAdmin.
func (o *Operators) Disable(ctx context.Context, id, by model.ID) error {
	return o.changing(ctx, id, by, "operator.disable", nil, func(q *db.Queries) (int64, error) {
		n, err := q.Disable(ctx, db.DisableParams{DisabledAt: int64(model.At(o.now())), ID: int64(id)})
		if err != nil {
			return 0, err
		}
		return n, q.DropSessions(ctx, int64(id))
	})
}

// Enable lets a disabled account work again. Errors: ErrUnknown, also for one that
// is not disabled.
func (o *Operators) Enable(ctx context.Context, id, by model.ID) error {
	return o.changing(ctx, id, by, "operator.enable", nil, func(q *db.Queries) (int64, error) { return q.Enable(ctx, int64(id)) })
}

// Reset gives an account a password to begin with, ends its sessions and takes its
// second factor away. Errors: ErrUnknown, ErrPassword, ErrBusy.
func (o *Operators) Reset(ctx context.Context, id model.ID, password string, by model.ID) error {
	who, err := o.Get(ctx, id)
	if err == nil {
		err = checkPassword(who.Username, password)
	}
	if err != nil {
		return err
	}
	hash, err := o.hash(ctx, password)
	if err != nil {
		return err
	}
	return o.changing(ctx, id, by, "operator.reset", nil, func(q *db.Queries) (int64, error) {
		n, err := q.Reset(ctx, db.ResetParams{PasswordHash: hash, ID: int64(id)})
		if err != nil {
			return 0, err
		}
		return n, q.DropSessions(ctx, int64(id))
	})
}

// changing runs one change of an account with its line in the audit. Whoever would
// leave nobody to manage accounts is refused: the line puts those who change in
// order, so the last look at who is left is right.
func (o *Operators) changing(ctx context.Context, id, by model.ID, action string, detail any, change func(*db.Queries) (int64, error)) error {
	was, err := o.q.ByID(ctx, int64(id))
	if errors.Is(err, sql.ErrNoRows) {
		return ErrUnknown
	}
	if err != nil {
		return fmt.Errorf("read operator: %w", err)
	}
	err = sqldb.InTx(ctx, o.db, func(tx *sql.Tx) error {
		q := o.q.WithTx(tx)
		n, err := change(q)
		if err != nil {
			return err
		}
		if n == 0 {
			return ErrUnknown
		}
		if err := o.RecordTx(ctx, tx, model.AuditEntry{Operator: by, Action: action, Target: target(id), Detail: detail}); err != nil {
			return err
		}
		if was.DisabledAt != 0 || !slices.Contains(splitRoles(was.Roles), Admin) {
			return nil
		}
		left, err := q.ActiveRoles(ctx)
		if err == nil && !slices.ContainsFunc(left, func(roles string) bool { return slices.Contains(splitRoles(roles), Admin) }) {
			err = ErrLastAdmin
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("%s %d: %w", action, id, err)
	}
	return nil
}

// SetPassword is one's own change of the password; the other sessions of the account
// end. Errors: ErrSignIn when the old one is wrong, ErrPassword, ErrLocked, ErrBusy.
func (o *Operators) SetPassword(ctx context.Context, who Operator, token, old, password string) error {
	if err := checkPassword(who.Username, password); err != nil {
		return err
	}
	if old == password {
		return ErrPassword.Saying("新密码不能与旧密码相同")
	}
	row, err := o.q.ByUsername(ctx, who.Username)
	if err != nil {
		return fmt.Errorf("read operator: %w", err)
	}
	if err := o.countAttempt(ctx, row); err != nil {
		return err
	}
	ok, err := o.verify(ctx, old, row.PasswordHash)
	if err != nil {
		return err
	}
	if !ok {
		return ErrOldPassword
	}
	hash, err := o.hash(ctx, password)
	if err != nil {
		return err
	}
	return o.changing(ctx, who.ID, who.ID, "operator.password", nil, func(q *db.Queries) (int64, error) {
		if err := q.ClearFailures(ctx, int64(who.ID)); err != nil {
			return 0, err
		}
		if err := q.DropOtherSessions(ctx, db.DropOtherSessionsParams{OperatorID: int64(who.ID), TokenHash: tokenHash(token)}); err != nil {
			return 0, err
		}
		return q.SetPassword(ctx, db.SetPasswordParams{PasswordHash: hash, ID: int64(who.ID), Was: row.PasswordHash})
	})
}

func check(a Account) error {
	if n := len(a.Username); n < 3 || n > 32 || strings.Trim(a.Username, "abcdefghijklmnopqrstuvwxyz0123456789.-") != "" {
		return ErrUsername
	}
	for _, err := range []error{checkName(a.Name), checkPassword(a.Username, a.Password), checkRoles(a.Roles), checkRegions(a.Regions)} {
		if err != nil {
			return err
		}
	}
	return nil
}

func checkName(name string) error {
	if !readable(name, maxName) || sheet.Formula(name) {
		return ErrName
	}
	return nil
}

// readable tells whether a person sees all of s, which has 1 to most characters: a place
// with a space behind it would hold nobody, a name of spaces would name nobody.
func readable(s string, most int) bool {
	n := utf8.RuneCountInString(s)
	hidden := func(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == utf8.RuneError }
	return n >= 1 && n <= most && strings.TrimSpace(s) == s && !strings.ContainsFunc(s, hidden)
}

func checkPassword(username, password string) error {
	if n := len([]rune(password)); n < 12 || len(password) > maxPassword || strings.Contains(strings.ToLower(password), username) {
		return ErrPassword
	}
	return nil
}

func checkRoles(roles []Role) error {
	if len(roles) == 0 || len(roles) > len(Roles) {
		return ErrRole
	}
	for i, role := range roles {
		if !known(role) || slices.Contains(roles[:i], role) {
			return ErrRole
		}
	}
	return nil
}
