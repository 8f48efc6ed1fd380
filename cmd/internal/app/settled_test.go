package app

import (
	"errors"
	"slices"
	"testing"
)

func TestWhatIsTakenOverLastIsWhatIsSo(t *testing.T) {
	away := errors.New("away")
	for _, tt := range []struct {
		name  string
		reads []int // what is so at each look; 0: nobody can tell
		wrote []int
		want  error
	}{
		{"nothing happens meanwhile", []int{1, 1}, []int{1}, nil},
		{"it changes before the write is done", []int{1, 2, 2}, []int{1, 2}, nil},
		{"it changes and changes back", []int{1, 2, 1, 1}, []int{1, 2, 1}, nil},
		{"it never rests", []int{1, 2, 1, 2, 1, 2}, []int{1, 2, 1, 2, 1}, errUnsettled},
		{"it is gone at once", []int{0}, nil, away},
		{"it is gone meanwhile", []int{1, 0}, []int{1}, away},
	} {
		var looks int
		var wrote []int
		got, err := settled(func() (int, error) {
			at := tt.reads[looks]
			if looks++; at == 0 {
				return 0, away
			}
			return at, nil
		}, func(v int) error {
			wrote = append(wrote, v)
			return nil
		})
		if !errors.Is(err, tt.want) || !slices.Equal(wrote, tt.wrote) || err == nil && got != tt.wrote[len(tt.wrote)-1] {
			t.Errorf("%s: settled = %d, %v after writing %v, want %v and %v", tt.name, got, err, wrote, tt.wrote, tt.want)
		}
	}
	if _, err := settled(func() (int, error) { return 1, nil }, func(int) error { return away }); !errors.Is(err, away) {
		t.Errorf("a write that fails = %v, want %v", err, away)
	}
}
