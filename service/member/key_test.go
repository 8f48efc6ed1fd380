package member

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"kaimenhong/model/seal"
)

// sealerOf has the keys of these bytes, and no index of its own.
func sealerOf(t *testing.T, keys map[int]byte) *seal.Sealer {
	t.Helper()
	masters := map[int][]byte{}
	for version, b := range keys {
		masters[version] = bytes.Repeat([]byte{b}, seal.KeySize)
	}
	s, err := seal.New(masters, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestAKeyThatIsNotTheStoredNumbersIsFound(t *testing.T) {
	engines(t, func(t *testing.T, w *world) {
		stranger := sealerOf(t, map[int]byte{1: 9})
		want(t, "a key before any number", CheckKey(t.Context(), w.db, stranger), nil)
		for i := range 3 {
			w.bind(t, w.touch(t, fmt.Sprintf("o%d", i)).ID, phone(i), "r")
		}
		want(t, "the key", CheckKey(t.Context(), w.db, testSealer(t, 1)), nil)
		want(t, "the key and the next one", CheckKey(t.Context(), w.db, testSealer(t, 1, 2)), nil)
		if err := CheckKey(t.Context(), w.db, stranger); !errors.Is(err, ErrKey) {
			t.Errorf("another key = %v, want %v", err, ErrKey)
		}
		if _, err := w.db.ExecContext(t.Context(), "UPDATE member_phone SET phone_sealed = 'broken' WHERE phone_index = (SELECT i FROM (SELECT MIN(phone_index) AS i FROM member_phone) AS first)"); err != nil {
			t.Fatal(err)
		}
		want(t, "the key beside one broken row", CheckKey(t.Context(), w.db, testSealer(t, 1)), nil)
		rotated := w.replica(t, Options{})
		rotated.Sealer = testSealer(t, 1, 2)
		if _, err := rotated.Reseal(t.Context(), 100); err == nil {
			t.Fatal("the broken number is passed over in silence")
		}
		if err := CheckKey(t.Context(), w.db, sealerOf(t, map[int]byte{2: 2})); !errors.Is(err, ErrKey) {
			t.Errorf("the second key without the index's = %v, want %v", err, ErrKey)
		}
	})
}
