package redpacket

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"kaimenhong/model"
)

// vector is one line of testdata/proof.json, which docs/proof.md shows.
type vector struct {
	Name  string `json:"name"`
	Proof Proof  `json:"proof"`
}

func vectors(t testing.TB) []vector {
	t.Helper()
	content, err := os.ReadFile("testdata/proof.json")
	if err != nil {
		t.Fatal(err)
	}
	var v []vector
	if err := json.Unmarshal(content, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestTheVectorsHold(t *testing.T) {
	all := vectors(t)
	if len(all) < 4 {
		t.Fatalf("%d vectors, want at least 4", len(all))
	}
	for _, v := range all {
		if err := Verify(v.Proof); err != nil {
			t.Errorf("%s: Verify = %v", v.Name, err)
		}
	}
}

func TestTheDocumentShowsTheVectors(t *testing.T) {
	doc, err := os.ReadFile("../../docs/proof.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range vectors(t) {
		for _, want := range []string{v.Proof.Commitment, v.Proof.Seed, fens(v.Proof.Shares)} {
			if !strings.Contains(string(doc), want) {
				t.Errorf("docs/proof.md lacks %s of vector %s", want, v.Name)
			}
		}
	}
}

func fens(shares []model.Fen) string {
	b, _ := json.Marshal(shares)
	return strings.ReplaceAll(strings.Trim(string(b), "[]"), ",", ", ")
}

func TestVerifyRefusesWhatWasChanged(t *testing.T) {
	whole := vectors(t)[0].Proof
	for _, tt := range []struct {
		name   string
		change func(*Proof)
		want   error
	}{
		{"nothing", func(*Proof) {}, nil},
		{"another pot", func(p *Proof) { p.Pot++ }, ErrProofCommitment},
		{"another target", func(p *Proof) { p.Target++ }, ErrProofCommitment},
		{"another number of helps", func(p *Proof) { p.Helps++ }, ErrProofCommitment},
		{"another split", func(p *Proof) { p.Split = Equal }, ErrProofCommitment},
		{"another seed", func(p *Proof) { p.Seed = strings.Repeat("ab", 32) }, ErrProofCommitment},
		{"another commitment", func(p *Proof) { p.Commitment = strings.Repeat("0", 64) }, ErrProofCommitment},
		{"shares in another order", func(p *Proof) { slices.Sort(p.Shares) }, ErrProofShares},
		{"a share too many", func(p *Proof) { p.Shares = append(p.Shares, 1) }, ErrProofShares},
		{"another list of amounts", func(p *Proof) { p.Amounts[0]-- }, ErrProofShares},
		{"not revealed", func(p *Proof) { p.Seed = "" }, ErrProofSealed},
		{"a short seed", func(p *Proof) { p.Seed = "ab" }, ErrProofForm},
		{"a seed in capitals, which the page does not read", func(p *Proof) { p.Seed = strings.ToUpper(p.Seed) }, ErrProofForm},
		{"no hexadecimal", func(p *Proof) { p.Seed = "zz" }, ErrProofForm},
		{"an unknown version", func(p *Proof) { p.Version = 2 }, ErrProofForm},
		{"an unknown split", func(p *Proof) { p.Split = "fair" }, ErrProofForm},
		{"no helps", func(p *Proof) { p.Helps = 0 }, ErrProofForm},
		{"more helps than fen", func(p *Proof) { p.Target = 1 }, ErrProofForm},
	} {
		p := whole
		p.Shares, p.Amounts = slices.Clone(whole.Shares), slices.Clone(whole.Amounts)
		tt.change(&p)
		if err := Verify(p); !errors.Is(err, tt.want) {
			t.Errorf("%s: Verify = %v, want %v", tt.name, err, tt.want)
		}
	}
}

func TestNothingStandsAfterAProof(t *testing.T) {
	b, err := json.Marshal(vectors(t)[0].Proof)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ReadProof([]byte(string(b) + " \n")); err != nil {
		t.Errorf("ReadProof with a line's end = %v, want none", err)
	}
	for _, rest := range []string{"{}", "]", "}", "x", string(b)} {
		if _, err := ReadProof([]byte(string(b) + rest)); !errors.Is(err, ErrProofForm) {
			t.Errorf("ReadProof with %.3q after it = %v, want %v", rest, err, ErrProofForm)
		}
	}
}

func TestSharesAlwaysSumToTheTarget(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 300).Draw(t, "n")
		target := model.Fen(rapid.Int64Range(int64(n), 100_000).Draw(t, "target"))
		split := rapid.SampledFrom([]Split{DoubleMean, Equal}).Draw(t, "split")
		seed := rapid.SliceOfN(rapid.Byte(), seedSize, seedSize).Draw(t, "seed")
		shares := sharesOf(seed, n, target, split)
		var sum model.Fen
		for k, share := range shares {
			if share < 1 {
				t.Fatalf("share %d is %v", k+1, share)
			}
			sum += share
		}
		if sum != target || len(shares) != n {
			t.Fatalf("%d shares sum to %v, want %d and %v", len(shares), sum, n, target)
		}
		if again := sharesOf(seed, n, target, split); !slices.Equal(shares, again) {
			t.Fatal("the same seed gave other shares")
		}
	})
}

func TestDrawsAreEven(t *testing.T) {
	s := newStream(make([]byte, seedSize))
	const sides, draws = 7, 70_000
	var counts [sides]int
	for range draws {
		counts[s.below(sides)]++
	}
	chi := 0.0
	for _, c := range counts {
		d := float64(c) - draws/sides
		chi += d * d / (draws / sides)
	}
	if chi > 22.5 { // 6 degrees of freedom, one in a thousand
		t.Errorf("chi² = %.1f over %v, want evenly drawn numbers", chi, counts)
	}
}

func TestNoPlaceInTheRowIsBetter(t *testing.T) {
	const pots, n = 20_000, 5
	target := model.Fen(1000)
	var sums [n]float64
	for i := range pots {
		seed := make([]byte, seedSize)
		seed[0], seed[1] = byte(i), byte(i>>8)
		for k, share := range sharesOf(seed, n, target, DoubleMean) {
			sums[k] += float64(share)
		}
	}
	for k, sum := range sums {
		if mean := sum / pots; mean < 195 || mean > 205 {
			t.Errorf("share %d is %.1f on average, want about 200", k+1, mean)
		}
	}
}

func FuzzReadProof(f *testing.F) {
	for _, v := range vectors(f) {
		b, err := json.Marshal(v.Proof)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte(`{"version":1,"pot":"1","helps":10000,"target":1000000,"split":"equal"}`))
	f.Add([]byte(`{}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := ReadProof(b)
		if err != nil {
			return
		}
		if Verify(p) == nil {
			var sum model.Fen
			for _, s := range p.Shares {
				sum += s
			}
			if sum != p.Target {
				t.Errorf("a proof holds whose shares sum to %v, target %v", sum, p.Target)
			}
			if _, err := hex.DecodeString(p.Commitment); err != nil {
				t.Errorf("a proof holds whose commitment is %q", p.Commitment)
			}
		}
	})
}
