package chat_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
	"kaimenhong/service/chat"
)

// lines are what an audit was told.
type lines []string

func (l *lines) RecordTx(_ context.Context, _ *sql.Tx, e model.AuditEntry) error {
	detail, err := json.Marshal(e.Detail)
	*l = append(*l, e.Action+" "+string(detail))
	return err
}

func TestTheAuditKeepsWhatARuleAnsweredBeforeAndAfter(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
		ids, err := model.NewIDs(2, time.Now)
		if err != nil {
			t.Fatal(err)
		}
		var audit lines
		rules := chat.NewRules(pool, ids, time.Now, slog.New(slog.DiscardHandler), chat.RulesOptions{Audit: &audit})
		added, err := rules.Add(t.Context(), 1, rule(chat.Exact, "优惠", "满百减十"), "r1")
		if err != nil {
			t.Fatal(err)
		}
		changed := added
		changed.Pattern, changed.Content = "特惠", model.Text("满百减五")
		if _, err := rules.Change(t.Context(), 2, changed); err != nil {
			t.Fatal(err)
		}
		if err := rules.Drop(t.Context(), 3, added.ID); err != nil {
			t.Fatal(err)
		}
		for i, want := range [][]string{{"chat.add_rule", "优惠", "满百减十"}, {"chat.change_rule", "优惠", "满百减十", "特惠", "满百减五"}, {"chat.drop_rule", "特惠", "满百减五"}} {
			if len(audit) != 3 || slices.ContainsFunc(want, func(w string) bool { return !strings.Contains(audit[i], w) }) {
				t.Errorf("the audit has %q, want in line %d each of %q", audit, i+1, want)
			}
		}
	})
}
