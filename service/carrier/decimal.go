package carrier

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strconv"
	"strings"

	"kaimenhong/model"
)

// The limits of a decimal number in an answer: enough for any amount in the world,
// little enough that no answer costs more than its own reading.
const (
	maxDigits   = 24
	maxExponent = 18
)

var errDecimal = errors.New("not a decimal number of the expected range")

// decimal is mantissa × 10^exponent, exactly.
type decimal struct {
	mantissa *big.Int
	exponent int
}

// parseDecimal reads a JSON number: sign, digits, fraction, exponent.
func parseDecimal(n json.Number) (decimal, error) {
	s, exponent := string(n), 0
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		e, err := strconv.Atoi(s[i+1:])
		if err != nil || e < -maxExponent || e > maxExponent {
			return decimal{}, errDecimal
		}
		s, exponent = s[:i], e
	}
	digits := strings.TrimPrefix(s, "-")
	whole, fraction, point := strings.Cut(digits, ".")
	if whole == "" || point && fraction == "" || len(whole)+len(fraction) > maxDigits {
		return decimal{}, errDecimal
	}
	for _, part := range []string{whole, fraction} {
		for i := range len(part) {
			if part[i] < '0' || part[i] > '9' {
				return decimal{}, errDecimal
			}
		}
	}
	m, ok := new(big.Int).SetString(whole+fraction, 10)
	if !ok {
		return decimal{}, errDecimal
	}
	if strings.HasPrefix(s, "-") {
		m.Neg(m)
	}
	return decimal{m, exponent - len(fraction)}, nil
}

// times returns the number × factor, rounded towards minus infinity; exact tells
// that nothing was rounded.
func (d decimal) times(factor int64) (n int64, exact bool, err error) {
	v := new(big.Int).Mul(d.mantissa, big.NewInt(factor))
	exact = true
	power := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(max(d.exponent, -d.exponent))), nil)
	if d.exponent >= 0 {
		v.Mul(v, power)
	} else {
		rest := new(big.Int)
		v.DivMod(v, power, rest)
		exact = rest.Sign() == 0
	}
	if !v.IsInt64() {
		return 0, false, errDecimal
	}
	return v.Int64(), exact, nil
}

// amount is a Quantity {amount, units} or a Money {value, unit}.
type amount struct {
	Amount json.Number `json:"amount"`
	Units  string      `json:"units"`
	Value  json.Number `json:"value"`
	Unit   string      `json:"unit"`
}

func (a amount) number() json.Number {
	if a.Amount != "" {
		return a.Amount
	}
	return a.Value
}

func (a amount) unit() string {
	if a.Units != "" {
		return a.Units
	}
	return a.Unit
}

// fen reads money. Its unit must be yuan; a fraction of a fen is refused, for no
// rounding is right for both sides.
func (a amount) fen() (model.Fen, error) {
	var factor int64
	switch strings.ToUpper(strings.TrimSpace(a.unit())) {
	case "CNY", "RMB", "YUAN", "元":
		factor = 100
	case "FEN", "分":
		factor = 1
	default:
		return 0, ErrBadAnswer.With(fmt.Errorf("money in %q", clip(a.unit(), 16)))
	}
	d, err := parseDecimal(a.number())
	if err != nil {
		return 0, ErrBadAnswer.With(err)
	}
	n, exact, err := d.times(factor)
	if err == nil && !exact {
		err = errors.New("money with a fraction of a fen")
	}
	if err != nil {
		return 0, ErrBadAnswer.With(err)
	}
	return model.Fen(n), nil
}

// factors are the units of allowances: bytes, seconds, messages in one of each.
var factors = map[model.AllowanceKind]map[string]int64{
	model.Data: {
		"B": 1, "BYTE": 1, "BYTES": 1, "KB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30, "TB": 1 << 40,
		"KIB": 1 << 10, "MIB": 1 << 20, "GIB": 1 << 30, "M": 1 << 20, "G": 1 << 30, "K": 1 << 10,
	},
	model.Voice: {
		"S": 1, "SEC": 1, "SECOND": 1, "SECONDS": 1, "秒": 1, "MIN": 60, "MINUTE": 60, "MINUTES": 60, "分钟": 60,
		"H": 3600, "HOUR": 3600, "HOURS": 3600, "小时": 3600,
	},
	model.SMS: {"SMS": 1, "条": 1, "MESSAGE": 1, "MESSAGES": 1, "UNIT": 1, "UNITS": 1, "COUNT": 1},
}

// of reads an allowance's amount of a kind, rounded down to whole bytes, seconds or
// messages, so that what is left is never overstated. It is never negative.
func (a amount) of(kind model.AllowanceKind) (int64, error) {
	factor, ok := factors[kind][strings.ToUpper(strings.TrimSpace(a.unit()))]
	if !ok {
		return 0, ErrBadAnswer.With(fmt.Errorf("%s in %q", kind, clip(a.unit(), 16)))
	}
	d, err := parseDecimal(a.number())
	if err != nil {
		return 0, ErrBadAnswer.With(err)
	}
	n, _, err := d.times(factor)
	if err == nil && n < 0 {
		err = errors.New("an allowance below zero")
	}
	if err != nil {
		return 0, ErrBadAnswer.With(err)
	}
	return n, nil
}
