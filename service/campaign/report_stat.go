package campaign

import "math"

// z95 is the quantile of the normal distribution for an interval of 95 %.
const z95 = 1.959963984540054

// wilson is the score interval of a proportion (Wilson 1927): unlike the textbook's
// it holds for small numbers and for none at all.
func wilson(k, n float64) (low, high float64) {
	p, zz := k/n, z95*z95
	middle := (p + zz/(2*n)) / (1 + zz/n)
	half := z95 / (1 + zz/n) * math.Sqrt(p*(1-p)/n+zz/(4*n*n))
	return max(0, middle-half), min(1, middle+half)
}

// Interval is a difference with its interval of 95 %.
type Interval struct {
	Value float64 `json:"value"`
	Low   float64 `json:"low"`
	High  float64 `json:"high"`
}

// proportions is p1-p2 by Newcombe's hybrid score interval, method 10 of Newcombe,
// "Interval estimation for the difference between independent proportions", Statistics
// in Medicine 17 (1998) 873–890. k of n did it.
func proportions(k1, n1, k2, n2 int64) Interval {
	a, b, c, d := float64(k1), float64(n1), float64(k2), float64(n2)
	p1, p2 := a/b, c/d
	l1, u1 := wilson(a, b)
	l2, u2 := wilson(c, d)
	return Interval{
		Value: p1 - p2,
		Low:   p1 - p2 - math.Sqrt((p1-l1)*(p1-l1)+(u2-p2)*(u2-p2)),
		High:  p1 - p2 + math.Sqrt((u1-p1)*(u1-p1)+(p2-l2)*(p2-l2)),
	}
}

// moments are the sums of an amount over people. They add up in any order, so that a
// million people are read once and kept in none.
type moments struct {
	N   int64   `json:"n"`
	Sum int64   `json:"sum"`
	Sq  float64 `json:"sq"`
}

func (m *moments) add(x int64) {
	m.N++
	m.Sum += x
	m.Sq += float64(x) * float64(x)
}

func (m moments) mean() float64 { return float64(m.Sum) / float64(m.N) }

// variance is the unbiased one.
func (m moments) variance() float64 {
	if m.N < 2 {
		return 0
	}
	mean := m.mean()
	return max(0, (m.Sq-float64(m.N)*mean*mean)/float64(m.N-1))
}

// means is the difference of two means by Welch's t interval (Welch, Biometrika 34
// (1947) 28–35), with the degrees of freedom of Satterthwaite. Money per person is
// skewed; by the central limit theorem it serves from some hundred people on, which
// enough demands.
func means(a, b moments) Interval {
	va, vb := a.variance()/float64(a.N), b.variance()/float64(b.N)
	d := a.mean() - b.mean()
	if va+vb == 0 {
		return Interval{d, d, d}
	}
	df := (va + vb) * (va + vb) / (va*va/float64(a.N-1) + vb*vb/float64(b.N-1))
	half := student95(df) * math.Sqrt(va+vb)
	return Interval{d, d - half, d + half}
}

// student95 is the quantile of Student's distribution by the expansion of Cornish and
// Fisher (Abramowitz and Stegun 26.7.5): to three places from 5 degrees on.
func student95(df float64) float64 {
	z := z95
	z3, z5, z7 := z*z*z, math.Pow(z, 5), math.Pow(z, 7)
	return z + (z3+z)/(4*df) + (5*z5+16*z3+3*z)/(96*df*df) + (3*z7+19*z5+17*z3-15*z)/(384*df*df*df)
}

// The least that an uplift is told from.
const (
	minPeople = 100 // in each of the two groups
	minEvents = 5   // that happened in both together
)

// enough tells whether there is something to compare.
func enough(treated, held, events int64) bool {
	return treated >= minPeople && held >= minPeople && events >= minEvents
}

// ratio is cost per one more of something, with the interval that the uplift's gives.
// more is the uplift of one person, people how many of them there were. Where the
// interval of the uplift reaches 0 the cost has no upper end, and where the uplift
// itself is not above 0 there is no cost per one more: nothing was gained.
func ratio(cost float64, more Interval, people int64) (r Price) {
	n := float64(people)
	if more.Value <= 0 || n == 0 {
		return Price{}
	}
	r = Price{Known: true, Value: cost / (more.Value * n)}
	if more.High > 0 {
		r.Low = cost / (more.High * n)
	}
	if more.Low > 0 {
		r.Bounded, r.High = true, cost/(more.Low*n)
	}
	return r
}

// Price is what one more cost.
type Price struct {
	Known   bool    `json:"known"`   // something was gained
	Value   float64 `json:"value"`   // fen for one follower, yuan for one yuan
	Low     float64 `json:"low"`     // of the interval
	High    float64 `json:"high"`    // meaningless unless Bounded
	Bounded bool    `json:"bounded"` // the interval has an upper end
}
