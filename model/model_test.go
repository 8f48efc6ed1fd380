package model_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"kaimenhong/model"
)

func TestParsePhone(t *testing.T) {
	for _, tt := range []struct {
		in, digits string
		ok         bool
	}{
		{"13812345678", "13812345678", true},
		{"+86 138-1234-5678", "13812345678", true},
		{"8613812345678", "13812345678", true},
		{"１３８１２３４５６７８", "13812345678", true},
		{"12812345678", "", false},
		{"1381234567", "", false},
		{"138123456789", "", false},
		{"", "", false},
		{"1381234567a", "", false},
		{"008613812345678", "", false},
	} {
		p, err := model.ParsePhone(tt.in)
		if (err == nil) != tt.ok || p.Digits() != tt.digits {
			t.Errorf("ParsePhone(%q) = %q, %v, want %q, %v", tt.in, p.Digits(), err, tt.digits, tt.ok)
		}
	}
}

func TestAPhoneNeverPrintsItself(t *testing.T) {
	p, err := model.ParsePhone("13812345678")
	if err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(struct{ Phone model.Phone }{p})
	if err != nil {
		t.Fatal(err)
	}
	for _, got := range []string{fmt.Sprint(p), fmt.Sprintf("%+v", struct{ P model.Phone }{p}), fmt.Sprintf("%#v", p), string(raw), p.LogValue().String()} {
		if want := "138****5678"; len(got) < len(want) || got == p.Digits() || contains(got, "1234567") {
			t.Errorf("printed as %q", got)
		}
	}
}

func contains(s, part string) bool {
	for i := range len(s) - len(part) + 1 {
		if s[i:i+len(part)] == part {
			return true
		}
	}
	return false
}

func TestIDsBeforeAnInstantAreSmaller(t *testing.T) {
	now := time.Date(2026, 2, 16, 9, 0, 0, 0, model.Shanghai)
	ids, err := model.NewIDs(8191, func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	before := ids.Next()
	now = now.Add(time.Millisecond)
	at := model.IDAt(model.At(now))
	if after := ids.Next(); before >= at || after < at {
		t.Errorf("ids %d and %d lie around %d, want one before and one after", before, after, at)
	}
	if id := model.IDAt(0); id != 0 {
		t.Errorf("before all ids is %d, want 0", id)
	}
}

func TestIDsGrowAndNeverRepeat(t *testing.T) {
	now := time.Date(2026, 2, 17, 0, 0, 0, 0, time.UTC)
	a, errA := model.NewIDs(1, func() time.Time { return now })
	b, errB := model.NewIDs(2, func() time.Time { return now })
	if errA != nil || errB != nil {
		t.Fatal(errA, errB)
	}
	seen := map[model.ID]bool{}
	var last model.ID
	for i := range 5000 {
		if i == 2500 {
			now = now.Add(-time.Hour) // the clock steps back
		}
		id := a.Next()
		if id <= last {
			t.Fatalf("id %d after %d", id, last)
		}
		last = id
		for _, id := range []model.ID{id, b.Next()} {
			if seen[id] {
				t.Fatalf("id %d came twice", id)
			}
			seen[id] = true
		}
	}
	if _, err := model.NewIDs(8192, time.Now); err == nil {
		t.Error("node 8192 is taken, want an error")
	}
}

func TestMoneyReadsLikeAPrice(t *testing.T) {
	for _, tt := range []struct {
		fen           model.Fen
		symbol, spoke string
	}{
		{12345, "¥123.45", "123.45元"}, {5, "¥0.05", "0.05元"}, {-5, "-¥0.05", "-0.05元"}, {5000, "¥50.00", "50元"}, {0, "¥0.00", "0元"},
	} {
		if tt.fen.String() != tt.symbol || tt.fen.Yuan() != tt.spoke {
			t.Errorf("%d fen = %s, %s, want %s, %s", int64(tt.fen), tt.fen, tt.fen.Yuan(), tt.symbol, tt.spoke)
		}
	}
}

func TestADayIsChinas(t *testing.T) {
	for _, tt := range []struct{ at, want string }{
		{"2026-02-16T15:59:59Z", "2026-02-16"}, {"2026-02-16T16:00:00Z", "2026-02-17"},
	} {
		at, err := time.Parse(time.RFC3339, tt.at)
		if err != nil {
			t.Fatal(err)
		}
		if got := model.DayOf(at).String(); got != tt.want {
			t.Errorf("DayOf(%s) = %s, want %s", tt.at, got, tt.want)
		}
	}
}

func TestAnInstantIsWrittenWithItsMilliseconds(t *testing.T) {
	for _, m := range []model.Millis{1, 999, 1000, 1763764501007, 1763764501070, 1763764501700, 253402271999999, -1, -86400001} {
		got, err := m.MarshalText()
		if want := m.Time().Format("2006-01-02T15:04:05.000Z07:00"); string(got) != want || err != nil {
			t.Errorf("%d is written %s, %v, want %s", m, got, err, want)
		}
		var back model.Millis
		if err := back.UnmarshalText(got); back != m || err != nil {
			t.Errorf("%s is read as %d, %v, want %d", got, back, err, m)
		}
	}
}
