package audience_test

import (
	"archive/zip"
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/text/encoding/simplifiedchinese"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
	"kaimenhong/model/sheet/sheettest"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/audience"
)

func importText(t testing.TB, a *audience.Audience, text string) audience.Import {
	t.Helper()
	got, err := a.Import(t.Context(), audience.Upload{Name: "客户.csv", Operator: 1, File: strings.NewReader(text)})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// customers is a file of n lines, every tenth of them broken.
func customers(n int) string {
	var b strings.Builder
	b.WriteString("手机号,套餐,上月ARPU\n")
	for i := range n {
		if i%10 == 9 {
			fmt.Fprintf(&b, "123,畅享129,1\n")
			continue
		}
		fmt.Fprintf(&b, "1380000%04d,畅享129,%d.50\n", i, i)
	}
	return b.String()
}

func TestAFileIsImportedOnce(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		a := open(t, db, audience.Options{ImportBatch: 7})
		first := importText(t, a, customers(100))
		if first.Total != 100 || first.Added != 90 || first.Refused != 10 || first.Changed != 0 || first.DoneAt == 0 || first.Line != 101 {
			t.Errorf("Import = %+v, want 90 added, 10 refused", first)
		}
		if again := importText(t, a, customers(100)); again != first {
			t.Errorf("again = %+v, want %+v", again, first)
		}
		next := importText(t, a, customers(100)+"13900000000,大王卡,\n13900000000,大王卡,3\n")
		if next.Added != 1 || next.Changed != 91 || next.Refused != 10 {
			t.Errorf("a longer file = %+v, want 1 added, 91 changed", next)
		}
		if n, err := a.Count(t.Context(), tree(t, `{"attribute":"arpu1","op":"known"}`)); n != 91 || err != nil {
			t.Errorf("customers = %d, %v, want 91", n, err)
		}
		page, _, err := a.ImportErrors(t.Context(), first.ID, "", 3)
		if err != nil || len(page) != 3 || page[0].Line != 11 || !strings.Contains(page[0].Text, "手机号不正确") {
			t.Errorf("ImportErrors = %v, %v, want three with line 11 first", page, err)
		}
		if _, err := a.ImportStatus(t.Context(), 1); !errors.Is(err, audience.ErrNoImport) {
			t.Errorf("ImportStatus of none = %v, want ErrNoImport", err)
		}
	})
}

func TestALaterFileHasTheLastWordOnItsColumnsAlone(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		a := open(t, db, audience.Options{})
		if err := observe(t.Context(), a, model.Member{ID: 5, Phone: phone(t, "13800000001"), BoundAt: 1}); err != nil {
			t.Fatal(err)
		}
		one := importText(t, a, "手机号,套餐,城市,上月ARPU,三个月前ARPU\n13800000001,畅享129,深圳,100,50\n")
		two := importText(t, a, "手机号,套餐,上月ARPU\n13800000001,,40\n")
		p, err := a.Portrait(t.Context(), 5)
		if err != nil {
			t.Fatal(err)
		}
		for _, tt := range []struct {
			key, text string
			from      model.ID
		}{{"plan", "未知", 0}, {"city", "深圳", one.ID}, {"arpu1", "40元", two.ID}, {"arpu3", "50元", one.ID}, {"arpu", "45元", two.ID}, {"arpu_curve", "下降", two.ID}} {
			if f := fact(p, tt.key); f.Text != tt.text || f.Import != tt.from {
				t.Errorf("%s = %+v, want %s from import %d", tt.key, f, tt.text, tt.from)
			}
		}
		if p.Stage.Title != "顾客" {
			t.Errorf("stage = %+v, want it kept", p.Stage)
		}
	})
}

func TestABrokenLineIsReportedInWords(t *testing.T) {
	a := open(t, dbtest.SQLite(t), audience.Options{})
	for _, tt := range []struct{ heading, cell, says string }{
		{"姓名", "=HYPERLINK(1)", "像是公式"},
		{"套餐", "@SUM(1)", "像是公式"},
		{"套餐", "+1", "像是公式"},
		{"套餐", "畅\u202e享", "特殊符号"},
		{"套餐", strings.Repeat("长", 21), "不超过20个字"},
		{"城市", strings.Repeat("长", 100), "内容过长"},
		{"性别", "未说", "请从男、女中选择"},
		{"生日", "2001-02-30", "不是日期"},
		{"生日", "昨天", "不是日期"},
		{"生日", "3/1/01", "不是日期"},
		{"入网日期", "1-1", "不是日期"},
		{"入网日期", "2026-11-22", "还没有到"},
		{"上月ARPU", "1e3", "以元为单位"},
		{"上月ARPU", "-3", "以元为单位"},
		{"上月ARPU", "1.234", "以元为单位"},
		{"上月ARPU", "999999999999999999999", "以元为单位"},
		{"上月流量使用率", "很高", "应为百分数"},
		{"去年春节助力次数", "=1+1", "不是次数"},
		{"兴趣", "睡觉", "没有兴趣“睡觉”"},
	} {
		dry, err := a.DryRun(t.Context(), audience.Upload{File: strings.NewReader("手机号," + tt.heading + "\n13800000001," + tt.cell + "\n")})
		if err != nil || dry.Refused != 1 || len(dry.Errors) != 1 || dry.Errors[0].Line != 2 || !strings.Contains(dry.Errors[0].Text, tt.says) ||
			!strings.HasPrefix(dry.Errors[0].Text, tt.heading) {
			t.Errorf("%s %q = %+v, %v, want %q", tt.heading, tt.cell, dry, err, tt.says)
		}
	}
}

func TestADryRunSavesNothing(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		a := open(t, db, audience.Options{ImportBatch: 64})
		importText(t, a, "手机号\n13800000001\n")
		text := customers(2000)
		dry, err := a.DryRun(t.Context(), audience.Upload{File: strings.NewReader(text)})
		if err != nil || dry.Total != 2000 || dry.Added != 1799 || dry.Changed != 1 || dry.Refused != 200 || len(dry.Errors) != audience.MaxDryErrors {
			t.Errorf("DryRun = %d total, %d added, %d changed, %d refused, %d errors, %v", dry.Total, dry.Added, dry.Changed, dry.Refused, len(dry.Errors), err)
		}
		if dry.Mapping["套餐"] != "plan" || len(dry.Headings) != 3 {
			t.Errorf("Mapping = %v, want the suggested one", dry.Mapping)
		}
		if n, err := a.Count(t.Context(), tree(t, `{"bucket":{"from":0,"to":99}}`)); n != 1 || err != nil {
			t.Errorf("people = %d, %v, want 1", n, err)
		}
	})
}

func TestADryRunSaysWhatTheImportThenDoes(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		a := open(t, db, audience.Options{ImportBatch: 2})
		importText(t, a, "手机号,姓名\n13800000001,甲\n")
		// Two known lines, two of one new number in one batch, a third in a later one.
		text := "手机号,姓名\n13800000002,乙\n13800000002,乙\n13800000001,甲\n138,丙\n13800000003,丁\n13800000002,戊\n13800000001,己\n"
		dry, err := a.DryRun(t.Context(), audience.Upload{File: strings.NewReader(text)})
		if err != nil || dry.Total != 7 || dry.Added != 2 || dry.Changed != 4 || dry.Refused != 1 || dry.Repeated != 3 {
			t.Errorf("DryRun = %+v, %v, want 2 added, 4 changed of which 3 repeat a number, 1 refused", dry, err)
		}
		done := importText(t, a, text)
		if done.Total != dry.Total || done.Added != dry.Added || done.Changed != dry.Changed || done.Refused != dry.Refused {
			t.Errorf("the import = %+v, want what the dry run said, %+v", done, dry)
		}
	})
}

func TestAFileThatIsNoTableIsRefusedWhole(t *testing.T) {
	a := open(t, dbtest.SQLite(t), audience.Options{ImportRows: 50})
	for _, tt := range []struct {
		name    string
		file    string
		mapping audience.Mapping
		want    error
	}{
		{"empty", "", nil, audience.ErrFileFormat},
		{"no phone", "姓名\n张三\n", nil, audience.ErrMapping},
		{"two phones", "手机号,号码\n1,2\n", nil, audience.ErrMapping},
		{"mapped to nothing", "手机号\n1\n", audience.Mapping{"手机号": "shoe"}, audience.ErrMapping},
		{"mapped from nothing", "手机号\n1\n", audience.Mapping{"手机号": "phone", "帽子": "city"}, audience.ErrMapping},
		{"a broken archive", "PK\x03\x04nonsense", nil, audience.ErrFileFormat},
		{"too many lines", "手机号\n" + strings.Repeat("13800000001\n", 51), nil, audience.ErrFileSize},
		{"a quote without end", "手机号,姓名\n13800000001,\"" + strings.Repeat("张\n", 200_000), nil, audience.ErrFileFormat},
		{"a bomb of one part", bombOf(t, 1, 200<<20), nil, audience.ErrFileBomb},
		{"a bomb of many parts", bombOf(t, 1001, 1), nil, audience.ErrFileBomb},
	} {
		u := func() audience.Upload { return audience.Upload{File: strings.NewReader(tt.file), Mapping: tt.mapping} }
		if _, err := a.Import(t.Context(), u()); !errors.Is(err, tt.want) {
			t.Errorf("Import of %s = %v, want %v", tt.name, err, tt.want)
		}
		if _, err := a.DryRun(t.Context(), u()); !errors.Is(err, tt.want) {
			t.Errorf("DryRun of %s = %v, want %v", tt.name, err, tt.want)
		}
	}
}

// bombOf is an archive of parts that unpack to size zeros each.
func bombOf(t *testing.T, parts, size int) string {
	t.Helper()
	var b bytes.Buffer
	archive := zip.NewWriter(&b)
	zeros := make([]byte, 1<<20)
	for i := range parts {
		w, err := archive.Create(fmt.Sprintf("xl/worksheets/sheet%d.xml", i))
		if err != nil {
			t.Fatal(err)
		}
		for left := size; left > 0; left -= len(zeros) {
			if _, err := w.Write(zeros[:min(left, len(zeros))]); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestWorkbooksAndOldEncodingsAreRead(t *testing.T) {
	a := open(t, dbtest.SQLite(t), audience.Options{})
	book := sheettest.Workbook(t, []any{"手机号", "姓名", "套餐", "上月ARPU", "兴趣", "入网日期", "上月流量使用率"},
		[]any{13800000001, "李四", "大王卡", 66.5, "视频、游戏", 43525, "92.5%"}, nil, // 43525 is 2019-03-01
		[]any{"13800000002", "=1+1", "大王卡", 1, "", "", ""}, []any{"13800000005", "王五", "大王卡", 1, "", "", 0.92})
	got, err := a.Import(t.Context(), audience.Upload{File: bytes.NewReader(book)})
	if err != nil || got.Added != 1 || got.Refused != 2 || got.Total != 3 {
		t.Errorf("a workbook = %+v, %v, want one customer, a formula and a fraction refused", got, err)
	}
	if n, err := a.Count(t.Context(), tree(t, `{"and":[{"attribute":"tenure","op":"between","value":[92,92]},{"attribute":"data1","op":"eq","value":9250}]}`)); n != 1 || err != nil {
		t.Errorf("of 92 months and 92.5%% = %d, %v, want 1", n, err)
	}
	old, err := simplifiedchinese.GB18030.NewEncoder().String("手机号,套餐\n13800000003,大王卡\n")
	if err != nil {
		t.Fatal(err)
	}
	importText(t, a, old)
	importText(t, a, "\ufeff手机号,套餐\n13800000004,大王卡\n")
	if n, err := a.Count(t.Context(), tree(t, `{"attribute":"plan","op":"eq","value":"大王卡"}`)); n != 3 || err != nil {
		t.Errorf("customers = %d, %v, want 3", n, err)
	}
}

// The process that is killed in the middle of an import is this test's own binary.
const killEnv = "KMH_AUDIENCE_KILL"

func TestMain(m *testing.M) {
	if dsn := os.Getenv(killEnv); dsn != "" {
		dieImporting(dsn)
	}
	os.Exit(m.Run())
}

// dieImporting imports until the clock was asked so often, and is gone: nothing is
// rolled back, released or closed.
func dieImporting(dsn string) {
	db, err := sqldb.Open(context.Background(), dsn, sqldb.Options{})
	if err != nil {
		panic(err)
	}
	t := &testing.T{}
	var asked atomic.Int64
	a := openAt(t, db, audience.Options{ImportBatch: 10}, func() time.Time {
		if asked.Add(1) == 1500 {
			os.Exit(9)
		}
		return now
	})
	_, err = a.Import(context.Background(), audience.Upload{File: strings.NewReader(customers(3000))})
	panic(fmt.Sprintf("the import was to be killed, it ended with %v", err))
}

func TestAKilledImportGoesOnWhereItStopped(t *testing.T) {
	for name, dsn := range map[string]func(testing.TB) string{"sqlite": dbtest.SQLiteDSN, "mysql": dbtest.MySQLDSN} {
		t.Run(name, func(t *testing.T) {
			dsn := dsn(t)
			child := exec.CommandContext(t.Context(), os.Args[0])
			child.Env = append(os.Environ(), killEnv+"="+dsn)
			out, err := child.CombinedOutput()
			if child.ProcessState.ExitCode() != 9 {
				t.Fatalf("the child ended with %v: %s", err, out)
			}
			db, err := sqldb.Open(t.Context(), dsn, sqldb.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = db.Close() }()
			at := now
			a := openAt(t, db, audience.Options{ImportBatch: 10}, func() time.Time { return at })
			upload := func() (audience.Import, error) {
				return a.Import(t.Context(), audience.Upload{File: strings.NewReader(customers(3000))})
			}
			held, err := upload()
			if !errors.Is(err, audience.ErrImporting) || held.Line == 0 || held.Line >= 3001 {
				t.Fatalf("at once = %+v, %v, want ErrImporting somewhere in the middle", held, err)
			}
			at = now.Add(2 * time.Minute)
			done, err := upload()
			if err != nil || done.ID != held.ID || done.Total != 3000 || done.Added != 2700 || done.Refused != 300 || done.DoneAt == 0 {
				t.Errorf("after the lease = %+v, %v, want every line counted once", done, err)
			}
			if n, err := a.Count(t.Context(), tree(t, `{"attribute":"plan","op":"eq","value":"畅享129"}`)); n != 2700 || err != nil {
				t.Errorf("customers = %d, %v, want 2,700", n, err)
			}
		})
	}
}

func TestAnUploadedListSelectsItsPeople(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		a := open(t, db, audience.Options{})
		importText(t, a, customers(20))
		file := "手机号,备注\n13800000001,a\n13800000002,\n13800000001,\n13900000000,\nabc,\n"
		got, err := a.UploadList(t.Context(), nil, 1, "返乡名单", strings.NewReader(file))
		if err != nil || got.Size != 2 || got.Unknown != 1 || got.Refused != 1 || len(got.Errors) != 1 {
			t.Fatalf("UploadList = %+v, %v, want two people, one unknown, one refused", got, err)
		}
		if again, err := a.UploadList(t.Context(), nil, 1, "别名", strings.NewReader(file)); err != nil || again.List != got.List {
			t.Errorf("again = %+v, %v, want the same list", again, err)
		}
		n := tree(t, fmt.Sprintf(`{"list":"%s"}`, got.ID))
		importText(t, a, "手机号\n13900000000\n")
		for range 2 { // the second time nobody is new
			again, err := a.UploadList(t.Context(), nil, 1, "别名", strings.NewReader(file))
			if err != nil || again.ID != got.ID || again.Size != 3 || again.Unknown != 0 {
				t.Errorf("after the unknown one was imported = %+v, %v, want three people and none unknown", again, err)
			}
			if c, err := a.Count(t.Context(), n); c != 3 || err != nil {
				t.Errorf("Count = %d, %v, want the three", c, err)
			}
		}
		if err := observe(t.Context(), a, model.Member{ID: 5, Phone: phone(t, "13800000001"), BoundAt: 1}); err != nil {
			t.Fatal(err)
		}
		if c, err := a.Count(t.Context(), n); c != 3 || err != nil {
			t.Errorf("Count = %d, %v, want 3", c, err)
		}
		if why, err := a.WhyIn(t.Context(), n, 5); err != nil || !why.Holds || why.Value != "在名单中" {
			t.Errorf("WhyIn = %+v, %v, want the new member on the list", why, err)
		}
		if _, err := a.UploadList(t.Context(), nil, 1, "另一个", strings.NewReader("手机号\n13800000003\n")); err != nil {
			t.Fatal(err)
		}
		var names []string
		for cursor, more := "", true; more; {
			lists, next, err := a.Lists(t.Context(), cursor, 1)
			if err != nil || len(lists) != 1 {
				t.Fatalf("Lists = %v, %v, want one a page", lists, err)
			}
			names, cursor, more = append(names, lists[0].Name), next, next != ""
		}
		if !slices.Equal(names, []string{"另一个", "返乡名单"}) {
			t.Errorf("Lists = %v, want both, the newest first", names)
		}
		if _, err := a.UploadList(t.Context(), nil, 1, "", strings.NewReader(file)); !errors.Is(err, audience.ErrListName) {
			t.Errorf("UploadList without a name = %v, want ErrListName", err)
		}
	})
}

func TestJoinedMembersKeepWhatBothHad(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		a := open(t, db, audience.Options{})
		importText(t, a, "手机号,套餐\n13800000001,大王卡\n")
		mini := model.Member{ID: 8, Phone: phone(t, "13800000001"), BoundAt: 9, JoinedAt: 2}
		official := model.Member{ID: 7, Follows: true, JoinedAt: 3}
		err := errors.Join(observe(t.Context(), a, mini), observe(t.Context(), a, official), a.Did(t.Context(), []audience.Act{
			{Member: 7, Kind: audience.Tap, At: daysAgo(1)}, {Member: 8, Kind: audience.Tap, At: daysAgo(1), N: 2}, {Member: 8, Kind: audience.Help, At: daysAgo(2)},
		}))
		if err != nil {
			t.Fatal(err)
		}
		for range 2 { // again changes nothing
			err := sqldb.InTx(t.Context(), db, func(tx *sql.Tx) error { return a.JoinTx(t.Context(), tx, 8, 7) })
			if err != nil {
				t.Fatal(err)
			}
		}
		p, err := a.Portrait(t.Context(), 7)
		if err != nil || p.Phone != "138****0001" || fact(p, "plan").Value != "大王卡" || fact(p, "follows").Value != true {
			t.Errorf("the survivor = %+v, %v, want what both had", p, err)
		}
		for _, d := range p.Deeds {
			if want := map[audience.Kind]int64{audience.Tap: 3, audience.Help: 1}[d.Kind]; d.All != want {
				t.Errorf("%s = %d, want %d", d.Kind, d.All, want)
			}
		}
		if _, err := a.Portrait(t.Context(), 8); !errors.Is(err, audience.ErrUnknown) {
			t.Errorf("the absorbed one = %v, want ErrUnknown", err)
		}
	})
}

func FuzzADryRunAnswersAnyFile(f *testing.F) {
	for _, s := range []string{customers(12), "手机号\r\n\"13800000001\"\r\n", "PK\x03\x04", "\xff\xfe手机号", "手机号,手机号\n,"} {
		f.Add([]byte(s))
	}
	a := open(f, dbtest.SQLite(f), audience.Options{})
	f.Fuzz(func(t *testing.T, b []byte) {
		dry, err := a.DryRun(t.Context(), audience.Upload{File: bytes.NewReader(b)})
		if err == nil && dry.Total != dry.Added+dry.Changed+dry.Refused {
			t.Errorf("DryRun = %+v, want every line counted once", dry)
		}
	})
}
