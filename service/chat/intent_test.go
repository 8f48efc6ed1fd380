package chat

import (
	"bufio"
	"hash/fnv"
	"os"
	"slices"
	"strings"
	"testing"
)

type utterance struct {
	want, text string
	measure    bool
}

// corpus reads testdata/corpus.tsv; its header says how it is split.
func corpus(t testing.TB) []utterance {
	t.Helper()
	file, err := os.Open("testdata/corpus.tsv")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	var all []utterance
	scanner := bufio.NewScanner(file)
	for scanner.Scan() {
		if strings.HasPrefix(scanner.Text(), "#") {
			continue
		}
		want, text, ok := strings.Cut(scanner.Text(), "\t")
		if !ok {
			t.Fatalf("line %q has no tab", scanner.Text())
		}
		h := fnv.New32a()
		_, _ = h.Write([]byte(text))
		all = append(all, utterance{want, text, h.Sum32()%2 == 1})
	}
	if err := scanner.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// told writes a meaning as the corpus does.
func told(m Meaning) string {
	var names []string
	for _, i := range m.Intents() {
		names = append(names, string(i))
	}
	switch {
	case len(names) == 0:
		return "unknown"
	case !m.Sure:
		return "choice"
	}
	slices.Sort(names)
	if m.Other {
		return strings.Join(names, "+") + "@other"
	}
	return strings.Join(names, "+")
}

func right(got, want string) bool {
	for w := range strings.SplitSeq(want, "|") {
		parts := strings.Split(w, "+")
		slices.Sort(parts)
		if got == strings.Join(parts, "+") {
			return true
		}
	}
	return false
}

// wrongMoney tells that money or points would be shown to somebody who did not
// ask for them: worse than any other mistake.
func wrongMoney(m Meaning, want string) bool {
	if !m.Sure {
		return false
	}
	for _, i := range m.Intents() {
		if (i == Balance || i == Bill || i == Points) && !strings.Contains(want, string(i)) {
			return true
		}
	}
	return false
}

func TestSentencesAreUnderstood(t *testing.T) {
	for _, half := range []struct {
		name    string
		measure bool
		least   float64
	}{{"build", false, 0.97}, {"measure", true, 0.97}} {
		t.Run(half.name, func(t *testing.T) {
			good, all := 0, 0
			for _, u := range corpus(t) {
				if u.measure != half.measure {
					continue
				}
				all++
				m := Understand(u.text, ChinaMobile)
				if wrongMoney(m, u.want) {
					t.Errorf("%q is answered with %s, want %s: the wrong money", u.text, told(m), u.want)
				}
				if right(told(m), u.want) {
					good++
				} else if !half.measure { // the measuring half is never looked at
					t.Logf("%q = %s %v, want %s", u.text, told(m), m.Intents(), u.want)
				}
			}
			share := float64(good) / float64(all)
			t.Logf("%d of %d right: %.1f %%", good, all, 100*share)
			if share < half.least {
				t.Errorf("%.1f %% right, want at least %.0f %%", 100*share, 100*half.least)
			}
		})
	}
}
