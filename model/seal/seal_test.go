package seal_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"kaimenhong/model/seal"
)

func key(b byte) []byte { return bytes.Repeat([]byte{b}, seal.KeySize) }

func mustNew(t testing.TB, keys map[int][]byte, index []byte) *seal.Sealer {
	t.Helper()
	s, err := seal.New(keys, index)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestWhatWasSealedOpensForItsOwnRowOnly(t *testing.T) {
	s := mustNew(t, map[int][]byte{1: key(1), 2: key(2)}, nil)
	rapid.Check(t, func(t *rapid.T) {
		plain := rapid.SliceOfN(rapid.Byte(), 0, 200).Draw(t, "plain")
		context := rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, "context")
		sealed := s.Seal(plain, context)
		if len(sealed) != len(plain)+seal.Overhead {
			t.Fatalf("sealed to %d bytes, want %d", len(sealed), len(plain)+seal.Overhead)
		}
		if got, err := s.Open(sealed, context); err != nil || !bytes.Equal(got, plain) {
			t.Fatalf("Open = %x, %v, want %x", got, err, plain)
		}
		other := append(bytes.Clone(context), 0)
		if _, err := s.Open(sealed, other); !errors.Is(err, seal.ErrRefused) {
			t.Fatalf("opened for another row: %v", err)
		}
		at := rapid.IntRange(0, len(sealed)-1).Draw(t, "byte")
		sealed[at] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		if got, err := s.Open(sealed, context); err == nil {
			t.Fatalf("a changed byte %d opened as %x", at, got)
		}
	})
}

func TestRotationOpensTheOldAndSealsWithTheNew(t *testing.T) {
	context := seal.Bind("t.c", 7)
	before := mustNew(t, map[int][]byte{1: key(1)}, nil)
	during := mustNew(t, map[int][]byte{1: key(1), 2: key(2)}, nil)
	after := mustNew(t, map[int][]byte{2: key(2)}, key(1))

	old := before.SealText([]byte("secret"), context)
	got, err := during.OpenText(old, context)
	if err != nil || string(got) != "secret" {
		t.Fatalf("OpenText = %q, %v, want secret", got, err)
	}
	if _, err := after.OpenText(old, context); !errors.Is(err, seal.ErrNoKey) {
		t.Errorf("a retired key: %v, want ErrNoKey", err)
	}
	if got, err := after.OpenText(during.SealText(got, context), context); err != nil || string(got) != "secret" {
		t.Errorf("sealed anew = %q, %v, want secret", got, err)
	}
	want := before.IndexText("13812345678", "member.phone")
	for name, s := range map[string]*seal.Sealer{"during": during, "after": after} {
		if got := s.IndexText("13812345678", "member.phone"); got != want {
			t.Errorf("the index %s the rotation is %s, want %s", name, got, want)
		}
	}
}

func TestTheIndexKeepsDomainsAndKeysApart(t *testing.T) {
	a, b := mustNew(t, map[int][]byte{1: key(1)}, nil), mustNew(t, map[int][]byte{1: key(2)}, nil)
	seen := map[string]string{}
	for name, got := range map[string]string{
		"a": a.IndexText("xy", "d"), "other value": a.IndexText("xz", "d"), "other domain": a.IndexText("xy", "e"),
		"moved border": a.IndexText("y", "dx"), "other key": b.IndexText("xy", "d"),
	} {
		if len(got) != seal.IndexSize {
			t.Errorf("%s: %d characters, want %d", name, len(got), seal.IndexSize)
		}
		if was, ok := seen[got]; ok {
			t.Errorf("%s equals %s", name, was)
		}
		seen[got] = name
	}
	// A fixed vector (computed with another language): were it to change, every stored index would be lost.
	const want = "edfd33af5550b5ac84c09f31fb403609a3f40acc0b295e7e1571445840fcf87e"
	if got := hex.EncodeToString(a.Index("13812345678", "member.phone")); got != want {
		t.Errorf("the index of the vector is %s, want %s", got, want)
	}
}

func TestBindKeepsPlacesApart(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range [][]byte{seal.Bind("a.b"), seal.Bind("a.b", 0), seal.Bind("a.b", 1), seal.Bind("a.b", 1, 0), seal.Bind("a.c", 1)} {
		if seen[string(c)] {
			t.Errorf("%x came twice", c)
		}
		seen[string(c)] = true
	}
}

func TestTextSizeIsWhatAColumnNeeds(t *testing.T) {
	s := mustNew(t, map[int][]byte{1: key(1)}, nil)
	for n := range 50 {
		if got, want := len(s.SealText(make([]byte, n), nil)), seal.TextSize(n); got != want {
			t.Fatalf("%d bytes seal to %d characters, want %d", n, got, want)
		}
	}
}

func TestParse(t *testing.T) {
	k := base64.StdEncoding.EncodeToString(key(9))
	for _, tt := range []struct {
		name, in string
		ok       bool
	}{
		{"one key", "1:" + k, true},
		{"two keys and an index", "1:" + k + ", 2:" + k + ",index:" + k, true},
		{"nothing", "", false},
		{"no version", k, false},
		{"version 0", "0:" + k, false},
		{"version too high", "65536:" + k, false},
		{"version twice", "1:" + k + ",1:" + k, false},
		{"index alone", "index:" + k, false},
		{"index twice", "1:" + k + ",index:" + k + ",index:" + k, false},
		{"short key", "1:AAAA", false},
		{"no base64", "1:" + k[:42] + "!!", false},
		{"too many", strings.Repeat("1:"+k+",", 20) + "1:" + k, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := seal.Parse(tt.in)
			if (err == nil) != tt.ok {
				t.Fatalf("Parse: %v, want ok %v", err, tt.ok)
			}
			if err != nil && strings.Contains(err.Error(), k[:8]) {
				t.Errorf("the error repeats the key: %v", err)
			}
		})
	}
}

func TestASealerPrintsNoKey(t *testing.T) {
	s := mustNew(t, map[int][]byte{1: key(0xAB)}, nil)
	for _, got := range []string{fmt.Sprint(s), fmt.Sprintf("%+v", s), fmt.Sprintf("%#v", s)} {
		if got != "seal.Sealer(***)" {
			t.Errorf("printed as %q", got)
		}
	}
}

func FuzzOpen(f *testing.F) {
	s := mustNew(f, map[int][]byte{1: key(1)}, nil)
	f.Add([]byte{}, []byte{})
	f.Add(make([]byte, seal.Overhead), []byte("x"))
	f.Add([]byte{0, 1}, []byte(nil))
	f.Fuzz(func(t *testing.T, sealed, context []byte) {
		if plain, err := s.Open(sealed, context); err == nil {
			t.Fatalf("made-up bytes opened as %x", plain)
		}
	})
}
