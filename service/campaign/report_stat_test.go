package campaign

import (
	"math"
	"math/rand/v2"
	"testing"
)

func near(got, want, by float64) bool { return math.Abs(got-want) <= by }

// The examples of Newcombe 1998, table II, method 10.
func TestIntervalsAreThoseOfTheBook(t *testing.T) {
	for _, tt := range []struct {
		k1, n1, k2, n2 int64
		low, high      float64
	}{
		{56, 70, 48, 80, 0.0524, 0.3339},
		{9, 10, 3, 10, 0.1705, 0.8090},
		{10, 10, 0, 20, 0.6791, 1},
		{10, 10, 0, 10, 0.6075, 1},
		{0, 10, 0, 10, -0.2775, 0.2775},
	} {
		if got := proportions(tt.k1, tt.n1, tt.k2, tt.n2); !near(got.Low, tt.low, 0.0002) || !near(got.High, tt.high, 0.0002) {
			t.Errorf("%d/%d - %d/%d = %+v, want %v to %v", tt.k1, tt.n1, tt.k2, tt.n2, got, tt.low, tt.high)
		}
	}
	for df, want := range map[float64]float64{5: 2.5706, 10: 2.2281, 30: 2.0423, 120: 1.9799, 1e6: 1.96} {
		if got := student95(df); !near(got, want, 0.003) {
			t.Errorf("t of %v degrees = %v, want %v", df, got, want)
		}
	}
	var a, b moments
	for i := range 10 {
		a.add(int64(20 + i))
		b.add(int64(10 + 3*i))
	}
	if got := means(a, b); !near(got.Value, 1, 1e-9) || !near(got.Low, -5.665, 0.002) || !near(got.High, 7.665, 0.002) {
		t.Errorf("means = %+v, want 1 from -5.665 to 7.665", got)
	}
}

// Of a thousand campaigns the truth lies within the interval in about 950.
func TestTheTruthLiesWithinTheInterval(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	const runs = 1000
	for _, tt := range []struct {
		name   string
		p1, p2 float64
		n1, n2 int
		least  float64
	}{
		{"five against four per cent", 0.05, 0.04, 3000, 330, 0.93},
		{"rare", 0.01, 0.01, 2000, 220, 0.93},
		{"common", 0.6, 0.4, 900, 100, 0.93},
	} {
		inside := 0
		for range runs {
			var k1, k2 int64
			for range tt.n1 {
				if random.Float64() < tt.p1 {
					k1++
				}
			}
			for range tt.n2 {
				if random.Float64() < tt.p2 {
					k2++
				}
			}
			if i := proportions(k1, int64(tt.n1), k2, int64(tt.n2)); i.Low <= tt.p1-tt.p2 && tt.p1-tt.p2 <= i.High {
				inside++
			}
		}
		if got := float64(inside) / runs; got < tt.least || got > 0.995 {
			t.Errorf("%s: the truth is inside in %.1f %%, want about 95", tt.name, got*100)
		}
	}
}

// Most people spend nothing and a few much, as people do.
func TestTheTruthLiesWithinTheIntervalOfMoney(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	spend := func(p float64) int64 {
		if random.Float64() >= p {
			return 0
		}
		return int64(math.Exp(7 + random.NormFloat64()*0.8))
	}
	each := math.Exp(7 + 0.8*0.8/2)
	truth := each*0.2 - each*0.15
	const runs = 600
	inside := 0
	for range runs {
		var a, b moments
		for range 2700 {
			a.add(spend(0.2))
		}
		for range 300 {
			b.add(spend(0.15))
		}
		if i := means(a, b); i.Low <= truth && truth <= i.High {
			inside++
		}
	}
	if got := float64(inside) / runs; got < 0.92 || got > 0.985 {
		t.Errorf("the truth is inside in %.1f %%, want about 95", got*100)
	}
}

func TestWhatOneMoreCosts(t *testing.T) {
	for _, tt := range []struct {
		name string
		more Interval
		want Price
	}{
		{"gained", Interval{0.02, 0.01, 0.04}, Price{Known: true, Value: 50, Low: 25, High: 100, Bounded: true}},
		{"perhaps gained", Interval{0.02, -0.01, 0.04}, Price{Known: true, Value: 50, Low: 25}},
		{"not gained", Interval{-0.02, -0.04, 0.01}, Price{}},
	} {
		if got := ratio(1000, tt.more, 1000); !near(got.Value, tt.want.Value, 1e-9) || got.Known != tt.want.Known || got.Bounded != tt.want.Bounded ||
			!near(got.Low, tt.want.Low, 1e-9) || !near(got.High, tt.want.High, 1e-9) {
			t.Errorf("%s: %+v, want %+v", tt.name, got, tt.want)
		}
	}
	if enough(99, 1000, 50) || enough(1000, 99, 50) || enough(1000, 1000, 4) || !enough(100, 100, 5) {
		t.Error("enough is not a hundred people in each group and five events")
	}
}
