package session

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"kaimenhong/model"
)

// minKey is the least that a key of HS256 has, in bytes: RFC 7518, section 3.2.
const minKey = 32

// maxToken bounds what is looked at of a token, in bytes; ours have about 300.
const maxToken = 1024

// Key signs access tokens. ID goes into a token's header, so that keys can follow
// one another.
type Key struct {
	ID     string
	Secret []byte
}

// NewKey names a key after its own hash.
func NewKey(secret []byte) Key {
	sum := sha256.Sum256(secret)
	return Key{ID: base64.RawURLEncoding.EncodeToString(sum[:6]), Secret: secret}
}

// Identity is what an access token says.
type Identity struct {
	Member  model.MemberID
	Session model.ID
	App     model.App
	// Ended tells that the session has ended; only VerifyEnded lets such a one pass.
	Ended bool
}

// claims are those of an access token.
type claims struct {
	jwt.RegisteredClaims
	Session string    `json:"sid"`
	App     model.App `json:"app"`
}

const issuer = "kaimenhong"

// mint signs an access token.
func (s *Sessions) mint(who Identity) (token string, until model.Millis, err error) {
	now := s.Now()
	until = model.At(now.Add(s.opts.AccessLife))
	t := jwt.NewWithClaims(jwt.SigningMethodHS256, claims{
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer: issuer, Subject: who.Member.String(), IssuedAt: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(until.Time()),
		},
		Session: who.Session.String(), App: who.App,
	})
	t.Header["kid"] = s.Keys[0].ID
	token, err = t.SignedString(s.Keys[0].Secret)
	if err != nil {
		return "", 0, fmt.Errorf("sign a token: %w", err)
	}
	return token, until, nil
}

// Verify returns who the access token belongs to. It reads no store while the
// process is in touch with the database, see ended.go.
//
// Errors: ErrMissing, ErrToken, ErrExpired, ErrEnded.
func (s *Sessions) Verify(ctx context.Context, token string) (Identity, error) {
	who, err := s.VerifyEnded(ctx, token)
	if err == nil && who.Ended {
		return Identity{}, s.refuse("ended", ErrEnded)
	}
	return who, err
}

// VerifyEnded is Verify that lets a session pass which has ended, marked so: for
// the repeat of the very request that ended it.
func (s *Sessions) VerifyEnded(ctx context.Context, token string) (Identity, error) {
	if token == "" {
		return Identity{}, s.refuse("missing", ErrMissing)
	}
	who, err := s.read(token)
	if err != nil {
		return Identity{}, err
	}
	if who.Ended, err = s.hasEnded(ctx, who.Session); err != nil {
		return Identity{}, err
	}
	return who, nil
}

// maxVerified bounds the tokens whose signature was checked and is remembered; one
// has about 200 bytes. An app that is open sends the same token again and again.
const maxVerified = 20_000

// verified is what a good token says. It holds from issued until expires; keys are
// those of the process, so that a signature that was good stays so.
type verified struct {
	who             Identity
	issued, expires time.Time
}

func (v verified) at(now time.Time) bool { return !now.Before(v.issued) && now.Before(v.expires) }

// errKey says that the header names no key of ours.
var errKey = errors.New("no such key")

// read checks signature and dates; the signature of the same token once. The one algorithm is pinned: "none", and a token
// that asks for another, are refused before a key is looked for.
func (s *Sessions) read(token string) (Identity, error) {
	if len(token) > maxToken || strings.Count(token, ".") != 2 {
		return Identity{}, s.refuse("malformed", ErrToken)
	}
	name := sha256.Sum256([]byte(token))
	if known, ok := s.verified.GetIfPresent(name); ok && known.at(s.Now()) {
		return known.who, nil
	}
	var c claims
	parser := jwt.NewParser(jwt.WithValidMethods([]string{jwt.SigningMethodHS256.Alg()}), jwt.WithTimeFunc(s.Now),
		jwt.WithExpirationRequired(), jwt.WithIssuer(issuer), jwt.WithIssuedAt())
	_, err := parser.ParseWithClaims(token, &c, func(t *jwt.Token) (any, error) {
		id, ok := t.Header["kid"].(string)
		if secret := s.keys[id]; ok && secret != nil {
			return secret, nil
		}
		return nil, errKey
	})
	switch {
	case err == nil:
	case errors.Is(err, jwt.ErrTokenExpired):
		return Identity{}, s.refuse("expired", ErrExpired)
	case errors.Is(err, errKey):
		return Identity{}, s.refuse("key", ErrToken)
	case errors.Is(err, jwt.ErrTokenSignatureInvalid):
		return Identity{}, s.refuse("signature", ErrToken)
	default:
		return Identity{}, s.refuse("malformed", ErrToken)
	}
	member, err1 := model.ParseID(c.Subject)
	id, err2 := model.ParseID(c.Session)
	if err1 != nil || err2 != nil {
		return Identity{}, s.refuse("malformed", ErrToken)
	}
	who := Identity{Member: model.MemberID(member), Session: id, App: c.App}
	if c.IssuedAt != nil {
		s.verified.Set(name, verified{who, c.IssuedAt.Time, c.ExpiresAt.Time})
	}
	return who, nil
}

// newSecret is a refresh token: 256 random bits.
func newSecret() string { return rand.Text() + rand.Text() }

// hash is what is kept of a token or a code. A plain hash does: both are long random
// strings, which nobody guesses.
func hash(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
