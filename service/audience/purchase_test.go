package audience_test

import (
	"database/sql"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/audience"
)

// imports counts a file, of which the check before has said the same and saved nothing.
func imports(t *testing.T, a *audience.Audience, file string) (audience.Purchases, error) {
	t.Helper()
	said, err := a.CheckPurchases(t.Context(), strings.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	got, err := a.ImportPurchases(t.Context(), 1, strings.NewReader(file))
	if !reflect.DeepEqual(said, got) {
		t.Errorf("the check says %+v, the import did %+v", said, got)
	}
	return got, err
}

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
		got, err := imports(t, a, file)
		if err != nil || got.Total != 8 || got.Added != 3 || got.Unknown != 1 || got.Refused != 4 || len(got.Errors) != 4 || got.Errors[0].Line != 6 {
			t.Fatalf("ImportPurchases = %+v, %v", got, err)
		}
		again := file + "13800138001,购买,30,2026-02-17 08:00:00,A8\n13800138001,购买,30,2026-02-17 08:00:00,A8\n"
		got, err = imports(t, a, again)
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
		if _, err := a.CheckPurchases(t.Context(), strings.NewReader("手机号,金额\n1,2\n")); !errors.Is(err, audience.ErrMapping) {
			t.Errorf("the check of a file without columns = %v", err)
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

func TestAPurchaseCountedWithoutItsProductGetsIt(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		a := open(t, db, audience.Options{})
		importText(t, a, "手机号,城市\n13800138000,深圳\n")
		who, err := a.FindPhone(t.Context(), phone(t, "13800138000"))
		if err != nil {
			t.Fatal(err)
		}
		const line = "13800138000,流量包,9.90,2026-02-16 20:00:00,A1"
		for _, tt := range []struct {
			file         string
			added, known int64
			products     []audience.Product
		}{
			{"手机号,类型,金额,时间,流水号\n" + line + "\n", 1, 0, []audience.Product{}},
			{"手机号,类型,金额,时间,流水号,产品编码\n" + line + ",PACK-1\n", 0, 1, []audience.Product{{Product: "PACK-1", Day: "2026-02-16"}}},
			{"手机号,类型,金额,时间,流水号\n" + line + "\n", 0, 1, []audience.Product{{Product: "PACK-1", Day: "2026-02-16"}}},
		} {
			got, err := imports(t, a, tt.file)
			if err != nil || got.Added != tt.added || got.Known != tt.known {
				t.Errorf("%q: %+v, %v, want %d added and %d known", tt.file, got, err, tt.added, tt.known)
			}
			if products, err := a.Products(t.Context(), who, 10); err != nil || !slices.Equal(products, tt.products) {
				t.Errorf("%q: products %v, %v, want %v", tt.file, products, err, tt.products)
			}
			spent, err := a.Acts(t.Context(), 0, 1<<62, []audience.Kind{audience.Pack}, 0, 1<<30, 10)
			if err != nil || len(spent) != 1 || spent[0].Fen != 990 {
				t.Errorf("%q: bought %+v, %v, want it once", tt.file, spent, err)
			}
		}
	})
}

func TestAPurchaseNamesItsProduct(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		a := open(t, db, audience.Options{})
		ctx := t.Context()
		importText(t, a, "手机号,城市\n13800138000,深圳\n13800138001,广州\n13800138002,珠海\n")
		customer := func(number string) model.MemberID {
			id, err := a.FindPhone(ctx, phone(t, number))
			if err != nil {
				t.Fatal(err)
			}
			return id
		}
		first, second, third := customer("13800138000"), customer("13800138001"), customer("13800138002")
		file := "手机号,类型,金额,时间,流水号,产品编码\n" +
			"13800138000,流量包,9.90,2026-02-16 20:00:00,A1,PACK-1\n" +
			"13800138000,流量包,9.90,2026-02-16 21:00:00,A2,PACK-1\n" + // twice a day is that day
			"13800138001,流量包,9.90,2026-02-15 21:00:00,A3,PACK-1\n" +
			"13800138001,流量包,19.90,2026-02-16 21:00:00,A4, PACK-2 \n" +
			"13800138002,充值,50,2026-02-16 21:00:00,A5,\n" +
			"13800138002,流量包,50,2026-02-16 21:00:00,A6\n" +
			"13800138002,流量包,50,2026-02-16 21:00:00,A7,春节包\n" +
			"13800138002,流量包,50,2026-02-16 21:00:00,A8," + strings.Repeat("p", 65) + "\n"
		for range 2 {
			got, err := imports(t, a, file)
			if err != nil || got.Added+got.Known != 6 || got.Refused != 2 || len(got.Errors) != 2 || !strings.Contains(got.Errors[0].Text, "产品编码不正确") {
				t.Fatalf("ImportPurchases = %+v, %v, want six purchases and two refused", got, err)
			}
		}
		day := func(d int) model.Day {
			return model.DayOf(time.Date(2026, 2, d, 12, 0, 0, 0, model.Shanghai))
		}
		bought := func(product string, from, to int, want ...model.MemberID) {
			t.Helper()
			slices.Sort(want)
			got, err := a.Bought(ctx, product, []model.MemberID{1, first, second, third}, day(from), day(to))
			if err != nil || !slices.Equal(got, want) {
				t.Errorf("%s from %d to %d was bought by %v, %v, want %v", product, from, to, got, err, want)
			}
		}
		bought("PACK-1", 15, 16, first, second)
		bought("PACK-1", 16, 17, first)
		bought("PACK-2", 16, 16, second)
		bought("pack-1", 15, 16)
		// The numbers become one member's: what was bought is his.
		if err := observe(ctx, a, model.Member{ID: 1, JoinedAt: daysAgo(9), Phone: phone(t, "13800138001"), BoundAt: daysAgo(1)}); err != nil {
			t.Fatal(err)
		}
		bought("PACK-1", 15, 16, first, 1)
		if err := sqldb.InTx(ctx, db, func(tx *sql.Tx) error { return a.JoinTx(ctx, tx, first, 1) }); err != nil {
			t.Fatal(err)
		}
		bought("PACK-1", 15, 16, 1)
		products := func(limit int, want ...audience.Product) {
			t.Helper()
			if got, err := a.Products(ctx, 1, limit); err != nil || !slices.Equal(got, want) {
				t.Errorf("the latest %d that he bought = %v, %v, want %v", limit, got, err, want)
			}
		}
		products(2, audience.Product{Product: "PACK-1", Day: "2026-02-16"}, audience.Product{Product: "PACK-2", Day: "2026-02-16"})
		products(9, audience.Product{Product: "PACK-1", Day: "2026-02-16"}, audience.Product{Product: "PACK-2", Day: "2026-02-16"}, audience.Product{Product: "PACK-1", Day: "2026-02-15"})
		if err := a.Forget(ctx, 1); err != nil {
			t.Fatal(err)
		}
		bought("PACK-1", 15, 16)
	})
}

func TestProductsAreForgottenWithTheirPurchases(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		a := open(t, db, audience.Options{})
		var acts []audience.Act
		for _, days := range []int{1, 200, 399, 400, 900} {
			acts = append(acts, audience.Act{Member: 7, Kind: audience.Pack, At: daysAgo(days), Product: "PACK-1"})
		}
		if err := a.Did(t.Context(), acts); err != nil {
			t.Fatal(err)
		}
		if _, err := a.Prune(t.Context()); err != nil {
			t.Fatal(err)
		}
		var left int
		if err := db.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM audience_bought").Scan(&left); err != nil || left != 3 {
			t.Errorf("%d days with purchases are left, %v, want the 3 within the retention", left, err)
		}
		for _, bad := range []string{"a b", "产品", strings.Repeat("p", 65)} {
			if err := a.Did(t.Context(), []audience.Act{{Member: 7, Kind: audience.Pack, At: daysAgo(1), Product: bad}}); !errors.Is(err, audience.ErrAct) {
				t.Errorf("Did with product %q = %v, want ErrAct", bad, err)
			}
		}
	})
}
