package points

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"kaimenhong/model"
	"kaimenhong/model/fault"
	"kaimenhong/model/sheet/sheettest"
)

// FuzzCarrierFile reads any bytes as a carrier's file: it ends, it classifies what it
// refuses, and what it passes on can be credited.
func FuzzCarrierFile(f *testing.F) {
	f.Add([]byte(carrierFile))
	f.Add([]byte("流水号,手机号,积分\n\"A,13800000001,1\n"))
	f.Add([]byte("\xef\xbb\xbfrow_key,phone,points\r\nA-1,+86 138-0000-0001, 7\r\n"))
	f.Add([]byte("row_key,phone,points\nA-1,13800000001,99999999999999999999\n=1+1,13800000001,1\n"))
	f.Add([]byte("\xc1\xf7\xcb\xae\xba\xc5,\xff\xff"))
	f.Add(sheettest.Workbook(f, []any{"手机号", "积分", "流水号"}, []any{13800000001, 15, "X1"}))
	f.Fuzz(func(t *testing.T, content []byte) {
		path := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		file, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = file.Close() }()
		rows, err := openRows(file)
		if err != nil {
			if fault.KindOf(err) != fault.Invalid {
				t.Fatalf("the file is refused as %v", err)
			}
			return
		}
		defer rows.Close()
		for range maxFileRows + 1 {
			a, err := rows.next()
			switch {
			case errors.Is(err, io.EOF):
				return
			case errors.Is(err, errRow):
				continue
			case err != nil:
				if fault.KindOf(err) != fault.Invalid {
					t.Fatalf("a row is refused as %v", err)
				}
				return
			}
			if !model.RequestID(a.Key).Valid() || a.Phone.IsZero() || a.Points <= 0 || a.Points > MaxAmount {
				t.Fatalf("a row is passed on as %+v", a)
			}
		}
		t.Fatal("the file does not end")
	})
}
