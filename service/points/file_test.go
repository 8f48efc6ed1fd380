package points

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/text/encoding/simplifiedchinese"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
	"kaimenhong/model/sheet/sheettest"
	"kaimenhong/model/sqldb"
)

func phone(t testing.TB, s string) model.Phone {
	t.Helper()
	p, err := model.ParsePhone(s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func sum(b []byte) string {
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}

const carrierFile = `流水号,客户,手机号,积分
A-1,张,13800000001,120
A-2,李,13800000002,80

A-3,王,13900000009,10
A-4,赵,1380000,10
A-5,钱,13800000001,1.5
A-1,张,13800000001,120
A-2,李,13800000002,81
,孙,13800000001,5
A-6
`

func TestCarrierFile(t *testing.T) {
	gbk, err := simplifiedchinese.GB18030.NewEncoder().Bytes([]byte(carrierFile))
	if err != nil {
		t.Fatal(err)
	}
	dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
		f := newLedger(t, pool)
		ctx := t.Context()
		f.phones[phone(t, "13800000001")], f.phones[phone(t, "13800000002")] = alice, bob
		for _, tt := range []struct {
			name, file       string
			accepted, repeat int64
			points           model.Points
		}{
			{"credits what can be credited", carrierFile, 2, 1, 200},
			{"answers the same bytes with the first report", carrierFile, 2, 1, 200},
			{"credits no row twice from another file", string(gbk), 0, 3, 0},
			{"nor with a byte order mark", "\xef\xbb\xbf" + carrierFile, 0, 3, 0},
		} {
			t.Run(tt.name, func(t *testing.T) {
				got, err := f.Import(ctx, 0, "jf.csv", sum([]byte(tt.file)), strings.NewReader(tt.file))
				want := File{
					Hash: sum([]byte(tt.file)), Name: "jf.csv", Done: true, Total: 9, Accepted: tt.accepted, Repeated: tt.repeat,
					Refused: 6, Points: tt.points, At: model.At(f.clock.now()),
				}
				if err != nil || got != want {
					t.Fatalf("Import = %+v, %v, want %+v", got, err, want)
				}
				f.wantBalance(t, alice, 120)
				f.wantBalance(t, bob, 80)
			})
		}
		rows, _, err := f.FileErrors(ctx, sum([]byte(carrierFile)), "", 100)
		if err != nil || len(rows) != 6 {
			t.Fatalf("FileErrors = %+v, %v", rows, err)
		}
		want := []FileError{
			{5, "A-3", "points.unbound", ErrUnbound.Text}, {6, "A-4", "points.row", "手机号不正确"}, {7, "A-5", "points.row", "积分应为正整数"},
			{9, "A-2", "points.row_reused", ErrRowReused.Text}, {10, "", "points.row", ErrRowKey.Text}, {11, "", "points.row", "列数不正确：应有4列，实有1列"},
		}
		for i := range want {
			if rows[i] != want[i] {
				t.Errorf("refused row %d = %+v, want %+v", i, rows[i], want[i])
			}
		}
		f.wantClean(t)
	})
}

func TestARowOfAnotherNumberIsNoRepeat(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
		const carol = model.MemberID(7003)
		f := newLedger(t, pool)
		f.phones[phone(t, "13800000001")], f.phones[phone(t, "13800000002")], f.phones[phone(t, "13800000003")] = alice, bob, carol
		row := func(number string) Accrual { return Accrual{Key: "K-1", Phone: phone(t, number), Points: 50} }
		for _, tt := range []struct {
			name     string
			number   string
			repeated bool
			want     error
		}{
			{"the first one stands", "13800000001", false, nil},
			{"its repeat", "13800000001", true, nil},
			{"another number under its key", "13800000002", false, ErrRowReused},
		} {
			done, err := f.Accrue(t.Context(), []Accrual{row(tt.number)})
			if err != nil || !errors.Is(done[0].Err, tt.want) || done[0].Repeated != tt.repeated {
				t.Errorf("%s: %+v, %v, want %v", tt.name, done, err, tt.want)
			}
		}
		f.wantBalance(t, alice, 50)
		f.wantBalance(t, bob, 0)
		// Whoever earned it became one with another, and the number is his now.
		if err := sqldb.InTx(t.Context(), pool, func(tx *sql.Tx) error { return f.JoinTx(t.Context(), tx, alice, carol) }); err != nil {
			t.Fatal(err)
		}
		f.phones[phone(t, "13800000001")] = carol
		done, err := f.Accrue(t.Context(), []Accrual{row("13800000001")})
		if err != nil || done[0].Err != nil || !done[0].Repeated {
			t.Errorf("the repeat after the two became one: %+v, %v", done, err)
		}
		f.wantBalance(t, carol, 50)
	})
}

func TestAFileThatIsRefusedCreditsNothing(t *testing.T) {
	f := newLedger(t, dbtest.SQLite(t))
	f.phones[phone(t, "13800000001")] = alice
	good := "流水号,手机号,积分\n"
	for i := range MaxAccruals + 1 {
		good += fmt.Sprintf("G-%d,13800000001,1\n", i)
	}
	file := good + strings.Repeat("B,1,1\n", maxFileRows)
	if _, err := f.Import(t.Context(), 9, "jf.csv", sum([]byte(file)), strings.NewReader(file)); !errors.Is(err, ErrFileSize) {
		t.Errorf("a file of too many rows = %v, want %v", err, ErrFileSize)
	}
	if got, err := f.File(t.Context(), sum([]byte(file))); !errors.Is(err, ErrNoFile) {
		t.Errorf("its report is %+v, %v, want none", got, err)
	}
	f.wantBalance(t, alice, 0)
}

func TestCarrierWorkbookAndBadFiles(t *testing.T) {
	pool := dbtest.SQLite(t)
	f := newLedger(t, pool)
	f.phones[phone(t, "13800000001")] = alice
	book := sheettest.Workbook(t, []any{"手机号", "积分", "流水号"}, []any{13800000001, 15, "X1"}, []any{"13800000001", "25", "X2"}, []any{"13800000001", 0.5, "X3"})
	got, err := f.Import(t.Context(), 9, "jf.xlsx", sum(book), bytes.NewReader(book))
	if err != nil || got.Accepted != 2 || got.Refused != 1 || got.Points != 40 {
		t.Fatalf("Import of a workbook = %+v, %v", got, err)
	}
	f.wantBalance(t, alice, 40)
	merged := sheettest.Rewritten(t, book, func(xml string) string {
		return strings.Replace(xml, "</sheetData>", `</sheetData><mergeCells count="1"><mergeCell ref="B2:B3"/></mergeCells>`, 1)
	})
	for range 2 { // and the repeat
		if got, err = f.Import(t.Context(), 9, "jf.xlsx", sum(merged), bytes.NewReader(merged)); err != nil || !strings.Contains(got.Note, "（B2:B3）") {
			t.Errorf("Import of merged cells = %+v, %v, want them told", got, err)
		}
	}
	for _, tt := range []struct {
		name string
		file []byte
		want error
	}{
		{"nothing", nil, ErrFileFormat},
		{"no heading", []byte("1,2,3\n"), ErrFileFormat},
		{"a column twice", []byte("流水号,手机号,phone,积分\n"), ErrFileFormat},
		{"a zip that is none", []byte("PK\x03\x04rubbish"), ErrFileFormat},
		{"too large", bytes.Repeat([]byte("x"), maxFile+1), ErrFileSize},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := f.Import(t.Context(), 0, "x", sum(tt.file), bytes.NewReader(tt.file)); !errors.Is(err, tt.want) {
				t.Errorf("Import = %v, want %v", err, tt.want)
			}
		})
	}
	if _, err := f.Import(t.Context(), 0, "x", strings.Repeat("0", 64), strings.NewReader(carrierFile)); !errors.Is(err, ErrChecksum) {
		t.Errorf("a wrong checksum = %v", err)
	}
	if _, err := f.Accrue(context.Background(), make([]Accrual, MaxAccruals+1)); !errors.Is(err, ErrBatch) {
		t.Errorf("too many rows = %v", err)
	}
	f.wantClean(t)
}
