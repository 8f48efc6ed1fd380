package carrier

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"kaimenhong/model"
)

func TestMoneyIsReadExactlyOrNotAtAll(t *testing.T) {
	for _, tt := range []struct {
		number json.Number
		unit   string
		want   model.Fen
		ok     bool
	}{
		{"36.52", "CNY", 3652, true},
		{"0.29", "CNY", 29, true}, // 28.999… in floats
		{"1.1", "元", 110, true},
		{"-46.3", "cny", -4630, true},
		{"129", "CNY", 12900, true},
		{"1.290e2", "CNY", 12900, true},
		{"100.00000", "CNY", 10000, true},
		{"5", "分", 5, true},
		{"92233720368547758.07", "CNY", 9223372036854775807, true},
		{"92233720368547758.08", "CNY", 0, false},
		{"0.005", "CNY", 0, false},
		{"1", "USD", 0, false},
		{"1", "", 0, false},
		{"1", "GB", 0, false},
		{"", "CNY", 0, false},
		{"1e999999999", "CNY", 0, false},
		{"1e-19", "CNY", 0, false},
		{"NaN", "CNY", 0, false},
		{"0x10", "CNY", 0, false},
		{"1_0", "CNY", 0, false},
		{"--1", "CNY", 0, false},
		{"+1", "CNY", 0, false},
		{"1.", "CNY", 0, false},
		{"1234567890123456789012345", "CNY", 0, false},
	} {
		got, err := amount{Amount: tt.number, Units: tt.unit}.fen()
		if (err == nil) != tt.ok || got != tt.want || err != nil && !errors.Is(err, ErrBadAnswer) {
			t.Errorf("%s %s = %d, %v; want %d, %v", tt.number, tt.unit, got, err, tt.want, tt.ok)
		}
	}
}

func TestEveryFenComesBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		fen := rapid.Int64Range(-1e15, 1e15).Draw(t, "fen")
		zeros := strings.Repeat("0", rapid.IntRange(0, 4).Draw(t, "zeros"))
		sign, n := "", fen
		if n < 0 {
			sign, n = "-", -n
		}
		for _, text := range []string{
			fmt.Sprintf("%s%d.%02d%s", sign, n/100, n%100, zeros),
			fmt.Sprintf("%s%de-2", sign, n),
			fmt.Sprintf("%s%d.%d%sE-1", sign, n/10, n%10, zeros),
		} {
			if got, err := (amount{Value: json.Number(text), Unit: "CNY"}).fen(); err != nil || got != model.Fen(fen) {
				t.Fatalf("%s = %d, %v; want %d", text, got, err, fen)
			}
		}
	})
}

func TestWhatIsLeftIsNeverOverstated(t *testing.T) {
	for _, tt := range []struct {
		number json.Number
		unit   string
		kind   model.AllowanceKind
		want   int64
		ok     bool
	}{
		{"1.9", "GB", model.Data, 2040109465, true}, // 2040109465.6
		{"512", "MB", model.Data, 512 << 20, true},
		{"1", "kb", model.Data, 1024, true},
		{"1.5", "min", model.Voice, 90, true},
		{"7200", "s", model.Voice, 7200, true},
		{"2", "小时", model.Voice, 7200, true},
		{"99", "条", model.SMS, 99, true},
		{"99.9", "条", model.SMS, 99, true},
		{"-1", "GB", model.Data, 0, false},
		{"1", "min", model.Data, 0, false},
		{"1", "parsec", model.Data, 0, false},
		{"99999999999", "TB", model.Data, 0, false},
	} {
		got, err := amount{Amount: tt.number, Units: tt.unit}.of(tt.kind)
		if (err == nil) != tt.ok || got != tt.want {
			t.Errorf("%s %s = %d, %v; want %d, %v", tt.number, tt.unit, got, err, tt.want, tt.ok)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		left := rapid.Int64Range(0, 1<<45).Draw(t, "bytes")
		text := fmt.Sprintf("%d.%04d", left>>30, (left&(1<<30-1))*10000>>30)
		got, err := amount{Amount: json.Number(text), Units: "GB"}.of(model.Data)
		if err != nil || got > left || left-got > 1<<30/10000+1 {
			t.Fatalf("%s GB = %d, %v; %d bytes were meant", text, got, err, left)
		}
	})
}

func TestTheCarriersWordsKeepNumbersToThemselves(t *testing.T) {
	if got := quiet("号码13800138001不存在", 128); got != "号码***不存在" {
		t.Errorf("quiet = %s", got)
	}
	if got := maskName("张三丰"); got != "张**" {
		t.Errorf("maskName = %s", got)
	}
}

// FuzzAnswers reads any body as each resource: it never panics, and what it reads
// keeps the rules of the model.
func FuzzAnswers(f *testing.F) {
	files, err := filepath.Glob(filepath.Join("testdata", "*.json"))
	if err != nil || len(files) == 0 {
		f.Fatal("no seeds", err)
	}
	for _, name := range files {
		raw, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Add([]byte(strings.Repeat("[", 100000)))
	f.Fuzz(func(t *testing.T, raw []byte) {
		var u usageQuery
		if decode(raw, &u) == nil {
			for _, c := range u.Consumption {
				for _, b := range c.Buckets {
					checkAllowance(t, b)
				}
			}
		}
		var buckets []bucket
		if decode(raw, &buckets) == nil {
			for _, b := range buckets {
				if b.Remaining != nil {
					_, _ = b.Remaining.fen() // only that it returns
				}
			}
		}
		var products []product
		if decode(raw, &products) == nil {
			for _, p := range products {
				_, _ = p.read()
			}
		}
		var bills []bill
		if decode(raw, &bills) == nil {
			for _, b := range bills {
				if got, err := b.read(identity{}); err == nil && (got.ID == "" || len(got.Month) < 7) {
					t.Errorf("a bill without its name or month: %+v", got)
				}
			}
		}
		var o wireOrder
		if decode(raw, &o) == nil {
			_, _ = receipt(o, &answer{}, "r", func(wireOrder) error { return nil })
		}
		_ = refusal(&answer{status: 400, body: raw})
	})
}

func checkAllowance(t *testing.T, b bucket) {
	for _, kind := range []model.AllowanceKind{model.Data, model.Voice, model.SMS} {
		a, err := b.allowance(kind)
		if err == nil && (a.Left < 0 || a.Used < 0 || b.Remaining != nil && a.Left+a.Used != a.Total || len(a.Name) > maxNameSize) {
			t.Errorf("%+v", a)
		}
	}
}
