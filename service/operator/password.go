package operator

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"
)

// The cost of a password: OWASP's second argon2id profile, about 30 ms.
const (
	hashMemory = 19 * 1024 // KiB
	hashTime   = 2
	hashLanes  = 1
	hashSize   = 32
	saltSize   = 16
)

// hashPrefix names the algorithm and its cost in PHC form. A cost that changes gets
// a prefix of its own beside this one.
var hashPrefix = fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$", argon2.Version, hashMemory, hashTime, hashLanes)

// turn waits for one of the places to hash, so that a flood of sign-ins does not
// take the memory; release gives it back. Errors: ErrBusy.
func (o *Operators) turn(ctx context.Context) (release func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, o.opts.HashWait)
	defer cancel()
	if err := o.hashing.Acquire(ctx, 1); err != nil {
		return nil, ErrBusy.With(err)
	}
	return func() { o.hashing.Release(1) }, nil
}

func (o *Operators) hash(ctx context.Context, password string) (string, error) {
	release, err := o.turn(ctx)
	if err != nil {
		return "", err
	}
	defer release()
	salt := make([]byte, saltSize)
	if _, err := rand.Read(salt); err != nil {
		return "", err
	}
	return encodeHash(salt, derive(password, salt)), nil
}

// verify tells whether the password is the hash's.
func (o *Operators) verify(ctx context.Context, password, hash string) (bool, error) {
	rest, ok := strings.CutPrefix(hash, hashPrefix)
	saltText, sumText, ok2 := strings.Cut(rest, "$")
	salt, err := base64.RawStdEncoding.DecodeString(saltText)
	sum, err2 := base64.RawStdEncoding.DecodeString(sumText)
	if !ok || !ok2 || err != nil || err2 != nil {
		return false, fmt.Errorf("the stored password hash is of an unknown form")
	}
	release, err := o.turn(ctx)
	if err != nil {
		return false, err
	}
	defer release()
	return subtle.ConstantTimeCompare(derive(password, salt), sum) == 1, nil
}

func derive(password string, salt []byte) []byte {
	return argon2.IDKey([]byte(password), salt, hashTime, hashMemory, hashLanes, hashSize)
}

func encodeHash(salt, sum []byte) string {
	return hashPrefix + base64.RawStdEncoding.EncodeToString(salt) + "$" + base64.RawStdEncoding.EncodeToString(sum)
}

// decoyHash is a well-formed hash that no password has: random bytes.
func decoyHash() string {
	return encodeHash([]byte(rand.Text())[:saltSize], append([]byte(rand.Text()), rand.Text()...)[:hashSize])
}
