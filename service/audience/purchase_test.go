package audience_test

import (
	"database/sql"
	"errors"
	"strings"
	"testing"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
	"kaimenhong/service/audience"
)

func TestPurchasesCountOnceHoweverOftenTheirFileComes(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		a := open(t, db, audience.Options{})
		if _, err := a.Import(t.Context(), audience.Upload{Name: "a.csv", File: strings.NewReader("手机号,城市\n13800138000,深圳\n13800138001,广州\n")}); err != nil {
			t.Fatal(err)
		}
		file := "手机号,类型,金额,时间,流水号\n" +
			"13800138000,充值,50,2026-02-16 20:00:00,A1\n" +
			"13800138000,流量包,15.50,2026-02-16 21:00:00,A2\n" +
			"13800138001,充值,100,2026-02-17,A3\n" +
			"13900000000,充值,100,2026-02-17,A4\n" + // nobody whom we know
			"13800138001,看电影,100,2026-02-17,A5\n" +
			"13800138001,充值,=1+1,2026-02-17,A6\n" +
			"13800138001,充值,1,2099-01-01,A7\n" +
			"13800138001,充值,1,2026-02-17,\n"
		got, err := a.ImportPurchases(t.Context(), 1, strings.NewReader(file))
		if err != nil || got.Total != 8 || got.Added != 3 || got.Unknown != 1 || got.Refused != 4 || len(got.Errors) != 4 || got.Errors[0].Line != 6 {
			t.Fatalf("ImportPurchases = %+v, %v", got, err)
		}
		again := file + "13800138001,购买,30,2026-02-17 08:00:00,A8\n13800138001,购买,30,2026-02-17 08:00:00,A8\n"
		got, err = a.ImportPurchases(t.Context(), 1, strings.NewReader(again))
		if err != nil || got.Added != 1 || got.Known != 4 {
			t.Fatalf("a longer file = %+v, %v, want 1 added and 4 known", got, err)
		}
		all, err := a.Acts(t.Context(), 0, 1<<62, []audience.Kind{audience.TopUp, audience.Pack, audience.Buy}, 0, 1<<30, 1)
		if err != nil {
			t.Fatal(err)
		}
		spent, members := map[audience.Kind]model.Fen{}, map[model.MemberID]bool{}
		for _, d := range all {
			spent[d.Kind] += d.Fen
			members[d.Member] = true
		}
		if len(all) != 4 || len(members) != 2 || spent[audience.TopUp] != 15000 || spent[audience.Pack] != 1550 || spent[audience.Buy] != 3000 {
			t.Errorf("Acts = %+v", all)
		}
		if rest, err := a.Acts(t.Context(), all[3].Member, 1<<62, []audience.Kind{audience.TopUp}, 0, 1<<30, 1); err != nil || len(rest) != 0 {
			t.Errorf("Acts after the last = %+v, %v", rest, err)
		}
		if _, err := a.Acts(t.Context(), 0, 1, []audience.Kind{"fly"}, 0, 1, 1); !errors.Is(err, audience.ErrAct) {
			t.Errorf("Acts of no kind = %v, want ErrAct", err)
		}
		if _, err := a.ImportPurchases(t.Context(), 1, strings.NewReader("手机号,金额\n1,2\n")); !errors.Is(err, audience.ErrMapping) || !strings.Contains(text(err), "类型、时间、流水号") {
			t.Errorf("a file without columns = %v", err)
		}
		n, err := a.Prune(t.Context())
		if err != nil || n != 0 {
			t.Errorf("Prune = %d, %v", n, err)
		}
	})
}
