package chat

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	"kaimenhong/model"
	"kaimenhong/model/fault"
	"kaimenhong/model/page"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/chat/internal/db"
)

// How says when a rule's pattern meets a message. Both are compared folded: half
// width, lower case, simplified, without spaces and punctuation.
type How string

// The ways.
const (
	Exact    How = "exact"    // the message is the pattern; also the key of a menu tap
	Prefix   How = "prefix"   // the message begins with it
	Contains How = "contains" // it is anywhere in the message
)

// Rule is an operator's answer to a keyword. Of several that meet a message, the
// highest priority wins, then exact before prefix before contains, then the
// longest pattern, then the oldest rule.
type Rule struct {
	ID        model.ID      `json:"id"`
	How       How           `json:"how"`
	Pattern   string        `json:"pattern"`  // 1 to 64 characters
	Priority  int           `json:"priority"` // -1000 to 1000
	StartsAt  model.Millis  `json:"startsAt"` // 0: at once
	EndsAt    model.Millis  `json:"endsAt"`   // 0: never; the rule is over at this instant
	Enabled   bool          `json:"enabled"`
	Content   model.Content `json:"content"` // text, image, news with one article, or mini-program card
	CreatedAt model.Millis  `json:"createdAt"`
	UpdatedAt model.Millis  `json:"updatedAt"`
	Version   int64         `json:"version"` // read only; a change names the one that it is of
}

// The faults of rules.
var (
	ErrRule        = fault.New(fault.Invalid, "chat.rule", "关键词规则有误")
	ErrRuleMissing = fault.New(fault.NotFound, "chat.rule_missing", "没有这条关键词规则")
	ErrRuleOld     = fault.New(fault.Conflict, "chat.rule_old", "关键词规则已被他人修改，请刷新后再改")
	ErrRuleFull    = fault.New(fault.Limited, "chat.rule_full", "关键词规则太多了，请先删掉不用的")
	ErrRuleRequest = fault.New(fault.Conflict, "chat.rule_request", "这个请求号已经用来添加另一条规则了")
)

// maxRules bounds how many there are.
const maxRules = 20000

// RulesOptions have good defaults.
type RulesOptions struct {
	Poll  time.Duration // how often a replica asks whether rules changed; default 5 s
	Audit auditor       // keeps who changed which rule; nobody when nil
}

// Rules keep the operators' keyword rules: the table in SQL, and a matcher in
// memory that is replaced as a whole when the version in SQL has changed.
type Rules struct {
	pool    *sql.DB
	queries *db.Queries
	ids     *model.IDs
	now     model.Clock
	log     *slog.Logger
	opts    RulesOptions

	refreshing sync.Mutex
	current    atomic.Pointer[matcher]
}

// NewRules makes an empty set: Refresh reads it, Run keeps it current.
func NewRules(pool *sql.DB, ids *model.IDs, now model.Clock, log *slog.Logger, opts RulesOptions) *Rules {
	opts.Poll = cmp.Or(opts.Poll, 5*time.Second)
	r := &Rules{pool: pool, queries: db.New(sqldb.Alone{DB: pool}), ids: ids, now: now, log: log, opts: opts}
	r.current.Store(newMatcher(0, nil))
	return r
}

// refreshTimeout bounds one reading of all rules.
const refreshTimeout = 30 * time.Second

// Run refreshes until the context ends. A failure is logged and tried again; the
// rules that are known stay.
func (r *Rules) Run(ctx context.Context) {
	ticker := time.NewTicker(r.opts.Poll)
	defer ticker.Stop()
	for {
		if err := r.Refresh(ctx); err != nil && ctx.Err() == nil {
			r.log.WarnContext(ctx, "chat rules not refreshed", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// Refresh reads the rules when their version in SQL is another one. The version is
// read first: a change that comes in between is read again next time.
func (r *Rules) Refresh(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, refreshTimeout)
	defer cancel()
	r.refreshing.Lock()
	defer r.refreshing.Unlock()
	version, err := r.queries.Version(ctx)
	if err != nil {
		return fmt.Errorf("read the rules' version: %w", err)
	}
	if version == r.current.Load().version {
		return nil
	}
	all, _, err := page.All(maxRules, func(cursor string, limit int) ([]Rule, string, error) { return r.List(ctx, cursor, limit) })
	if err != nil {
		return err
	}
	r.current.Store(newMatcher(version, all))
	return nil
}

// match finds the rule that answers a message.
func (r *Rules) match(said folded, now model.Millis) (model.Content, bool) {
	return r.current.Load().match(said.runes, now, false)
}

// matchKey finds the exact rule for the key of a menu tap.
func (r *Rules) matchKey(key string, now model.Millis) (model.Content, bool) {
	return r.current.Load().match(fold(key).runes, now, true)
}

// Add writes a rule for an operator and returns it with its id. A repeat with the same request
// returns the first one; with another rule it is ErrRuleRequest. Errors: ErrRule
// with what is wrong, ErrRuleFull.
func (r *Rules) Add(ctx context.Context, by model.ID, rule Rule, request model.RequestID) (Rule, error) {
	if !request.Valid() {
		return Rule{}, ErrRule.Saying("请求号应为 1 到 %d个可见字符", model.MaxRequestID)
	}
	if err := rule.check(); err != nil {
		return Rule{}, err
	}
	rule.ID, rule.CreatedAt = r.ids.Next(), model.At(r.now())
	rule.UpdatedAt, rule.Version = rule.CreatedAt, 1
	content, err := json.Marshal(rule.Content)
	if err != nil {
		return Rule{}, fmt.Errorf("write the content: %w", err)
	}
	err = r.change(ctx, by, rule.ID, "chat.add_rule", &rule, func(q *db.Queries) error {
		n, err := q.CountRules(ctx)
		if err != nil {
			return err
		}
		if n >= maxRules {
			return ErrRuleFull
		}
		return q.AddRule(ctx, db.AddRuleParams{
			ID: int64(rule.ID), How: string(rule.How), Pattern: rule.Pattern, Priority: int32(rule.Priority),
			StartsAt: int64(rule.StartsAt), EndsAt: int64(rule.EndsAt), Enabled: rule.Enabled, Content: string(content),
			RequestID: string(request), CreatedAt: int64(rule.CreatedAt), UpdatedAt: int64(rule.UpdatedAt),
		})
	})
	if sqldb.Duplicate(err) {
		return r.added(ctx, rule, request)
	}
	if err != nil {
		return Rule{}, fmt.Errorf("add a rule: %w", err)
	}
	return rule, nil
}

// added returns what the request added before.
func (r *Rules) added(ctx context.Context, rule Rule, request model.RequestID) (Rule, error) {
	row, err := r.queries.RuleByRequest(ctx, string(request))
	if err != nil {
		return Rule{}, fmt.Errorf("read the rule of a request: %w", err)
	}
	first, err := ruleOf(row)
	if err != nil {
		return Rule{}, err
	}
	rule.ID, rule.CreatedAt, rule.UpdatedAt, rule.Version = first.ID, first.CreatedAt, first.UpdatedAt, first.Version
	if !reflect.DeepEqual(rule, first) {
		return Rule{}, ErrRuleRequest
	}
	return first, nil
}

// Change replaces everything of the rule but its id and the instant it was added, and
// returns it as it is then; rule.Version is the one that was edited.
// Errors: ErrRule, ErrRuleMissing, ErrRuleOld when somebody else was faster.
func (r *Rules) Change(ctx context.Context, by model.ID, rule Rule) (Rule, error) {
	if err := rule.check(); err != nil {
		return Rule{}, err
	}
	content, err := json.Marshal(rule.Content)
	if err != nil {
		return Rule{}, fmt.Errorf("write the content: %w", err)
	}
	edited := rule.Version
	rule.UpdatedAt, rule.Version = model.At(r.now()), edited+1
	err = r.change(ctx, by, rule.ID, "chat.change_rule", &rule, func(q *db.Queries) error {
		old, err := q.RuleByID(ctx, int64(rule.ID)) // nobody else changes one meanwhile
		if errors.Is(err, sql.ErrNoRows) {
			return ErrRuleMissing
		}
		if err != nil {
			return err
		}
		rule.CreatedAt = model.Millis(old.CreatedAt)
		n, err := q.ChangeRule(ctx, db.ChangeRuleParams{
			How: string(rule.How), Pattern: rule.Pattern, Priority: int32(rule.Priority), StartsAt: int64(rule.StartsAt),
			EndsAt: int64(rule.EndsAt), Enabled: rule.Enabled, Content: string(content), UpdatedAt: int64(rule.UpdatedAt), ID: int64(rule.ID), Version: edited,
		})
		if err == nil && n == 0 {
			return ErrRuleOld
		}
		return err
	})
	if err != nil {
		return Rule{}, fmt.Errorf("change rule %d: %w", rule.ID, err)
	}
	return rule, nil
}

// Drop removes the rule. Errors: ErrRuleMissing, also at a repeat.
func (r *Rules) Drop(ctx context.Context, by, id model.ID) error {
	err := r.change(ctx, by, id, "chat.drop_rule", nil, func(q *db.Queries) error { return one(q.DropRule(ctx, int64(id))) })
	if err != nil {
		return fmt.Errorf("drop rule %d: %w", id, err)
	}
	return nil
}

func one(rows int64, err error) error {
	if err == nil && rows == 0 {
		return ErrRuleMissing
	}
	return err
}

// ruleDetail is what the audit keeps of a change: the rule as it was, and as it is.
type ruleDetail struct {
	Before *Rule `json:"before,omitempty"` // none: it was added
	After  *Rule `json:"after,omitempty"`  // none: it was dropped
}

// change runs fn in a transaction that raises the version and keeps who did what, and
// refreshes this replica at once; the others follow at their next poll. after is the
// rule as fn leaves it, nil when it is dropped.
func (r *Rules) change(ctx context.Context, by, id model.ID, action string, after *Rule, fn func(q *db.Queries) error) error {
	err := sqldb.InTx(ctx, r.pool, func(tx *sql.Tx) error {
		q := r.queries.WithTx(tx)
		if err := q.RaiseVersion(ctx); err != nil { // from here on nobody else changes one
			return err
		}
		detail := ruleDetail{After: after}
		row, err := q.RuleByID(ctx, int64(id))
		if err == nil {
			var before Rule
			before, err = ruleOf(row)
			detail.Before = &before
		} else if errors.Is(err, sql.ErrNoRows) {
			err = nil
		}
		if err == nil {
			err = fn(q)
		}
		if err != nil || r.opts.Audit == nil {
			return err
		}
		return r.opts.Audit.RecordTx(ctx, tx, model.AuditEntry{Operator: by, Action: action, Target: model.Ref{Type: "rule", ID: id.String()}, Detail: detail})
	})
	if err != nil {
		return err
	}
	if err := r.Refresh(ctx); err != nil {
		r.log.WarnContext(ctx, "chat rules not refreshed", "error", err)
	}
	return nil
}

// Get returns one rule. Errors: ErrRuleMissing.
func (r *Rules) Get(ctx context.Context, id model.ID) (Rule, error) {
	row, err := r.queries.RuleByID(ctx, int64(id))
	if errors.Is(err, sql.ErrNoRows) {
		return Rule{}, ErrRuleMissing
	}
	if err != nil {
		return Rule{}, fmt.Errorf("read rule %d: %w", id, err)
	}
	return ruleOf(row)
}

// List returns the rules in the order in which they were made; cursor is "" or the one
// that came with the page before. Errors: page.ErrCursor.
func (r *Rules) List(ctx context.Context, cursor string, limit int) (rules []Rule, next string, err error) {
	after, err := page.After(cursor)
	if err != nil {
		return nil, "", err
	}
	size := page.Size(limit)
	rows, err := r.queries.RulesAfter(ctx, db.RulesAfterParams{ID: after, Limit: size + 1})
	if err != nil {
		return nil, "", fmt.Errorf("list the rules: %w", err)
	}
	rows, next = page.Cut(rows, size, func(row db.ChatRule) string { return page.Cursor(row.ID) })
	for _, row := range rows {
		rule, err := ruleOf(row)
		if err != nil {
			return nil, "", err
		}
		rules = append(rules, rule)
	}
	return rules, next, nil
}

func ruleOf(row db.ChatRule) (Rule, error) {
	rule := Rule{
		ID: model.ID(row.ID), How: How(row.How), Pattern: row.Pattern, Priority: int(row.Priority),
		StartsAt: model.Millis(row.StartsAt), EndsAt: model.Millis(row.EndsAt), Enabled: row.Enabled,
		CreatedAt: model.Millis(row.CreatedAt), UpdatedAt: model.Millis(row.UpdatedAt), Version: row.Version,
	}
	if err := json.Unmarshal([]byte(row.Content), &rule.Content); err != nil {
		return Rule{}, fmt.Errorf("read the content of rule %d: %w", row.ID, err)
	}
	return rule, nil
}
