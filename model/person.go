package model

import (
	"errors"
	"log/slog"
)

// App tells which of the two apps an openid belongs to.
type App string

// The two apps of one installation.
const (
	OfficialAccount App = "official_account"
	MiniProgram     App = "mini_program"
)

// OpenID names a WeChat user towards one app; UnionID names him across the apps
// of one Open Platform account. Both mask themselves in logs.
type (
	OpenID  string
	UnionID string
)

// MaxOpenID is the length, in bytes, that the stores leave for either.
const MaxOpenID = 64

// Masked shows enough of an openid to compare two lines of a log.
func (o OpenID) Masked() string { return maskMiddle(string(o), 2, 4) }

// LogValue keeps the openid out of logs.
func (o OpenID) LogValue() slog.Value { return slog.StringValue(o.Masked()) }

// Masked shows enough of a unionid to compare two lines of a log.
func (u UnionID) Masked() string { return maskMiddle(string(u), 2, 4) }

// LogValue keeps the unionid out of logs.
func (u UnionID) LogValue() slog.Value { return slog.StringValue(u.Masked()) }

// Phone is a mainland mobile number: 11 digits, 1[3-9]………. Make one with
// ParsePhone only. It masks itself when printed, logged or marshalled; Digits is
// the one way to the number.
type Phone struct{ digits string }

// ErrPhone is returned for anything that is no mainland mobile number.
var ErrPhone = errors.New("not a mainland mobile number")

// ParsePhone reads 11 digits, also with +86 or 86 before them and with spaces or
// hyphens between them, in half or full width.
func ParsePhone(s string) (Phone, error) {
	digits := make([]byte, 0, 13)
	for _, r := range s {
		switch {
		case r >= '0' && r <= '9':
			digits = append(digits, byte(r))
		case r >= '０' && r <= '９':
			digits = append(digits, byte(r-'０')+'0')
		case r == ' ' || r == '-' || r == '　' || r == '－' || r == '+' && len(digits) == 0 || r == '＋' && len(digits) == 0:
		default:
			return Phone{}, ErrPhone
		}
		if len(digits) > 13 {
			return Phone{}, ErrPhone
		}
	}
	if len(digits) == 13 && digits[0] == '8' && digits[1] == '6' {
		digits = digits[2:]
	}
	if len(digits) != 11 || digits[0] != '1' || digits[1] < '3' {
		return Phone{}, ErrPhone
	}
	return Phone{string(digits)}, nil
}

// IsZero tells that there is no number.
func (p Phone) IsZero() bool { return p.digits == "" }

// Digits returns the 11 digits, for the carrier, the SMS gateway and the cipher.
func (p Phone) Digits() string { return p.digits }

// Masked returns 138****1234, or "" for none.
func (p Phone) Masked() string { return maskMiddle(p.digits, 3, 4) }

// String is Masked, so that a stray %v leaks nothing.
func (p Phone) String() string { return p.Masked() }

// GoString is Masked, so that a stray %#v leaks nothing.
func (p Phone) GoString() string { return p.Masked() }

// LogValue is Masked.
func (p Phone) LogValue() slog.Value { return slog.StringValue(p.Masked()) }

// MarshalText is Masked: a number leaves the program through Digits alone.
func (p Phone) MarshalText() ([]byte, error) { return []byte(p.Masked()), nil }

func maskMiddle(s string, head, tail int) string {
	if s == "" {
		return ""
	}
	if len(s) <= head+tail {
		return "****"
	}
	return s[:head] + "****" + s[len(s)-tail:]
}

// Member is what the other domains need to know of a member. Phone is zero while
// no number is bound.
type Member struct {
	ID       MemberID
	OpenID   OpenID // in the app through which he was looked up
	UnionID  UnionID
	Phone    Phone
	BoundAt  Millis
	Follows  bool // the official account
	Source   string
	JoinedAt Millis
}

// Bound tells whether a phone number is bound.
func (m Member) Bound() bool { return !m.Phone.IsZero() }
