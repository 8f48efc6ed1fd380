// Package seal encrypts what the stores must not hold in the clear (phone numbers,
// kept messages, secret seeds), so that a stolen table, backup or replica tells
// nothing, and gives values a keyed blind index, so that they can be looked up.
//
// Sealing is AES-256-GCM with a random nonce. The caller's context (table, column
// and row: see Bind) is authenticated beside it, so that a ciphertext moved to
// another row or column is refused. Every master key has a version; the newest
// seals, all of them open, and package reseal moves to it what older ones sealed.
//
// The index is HMAC-SHA-256 under a key of its own, which stays the same over
// rotations: otherwise a unique index would stop being unique halfway. It comes
// from the master key called "index", or from the lowest version when there is
// none; so to retire version 1, keep its bytes as "index".
//
// A key seals at most 2^32 values (the bound for random GCM nonces): rotate long
// before that.
package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"strconv"
	"strings"
	"sync"
)

// Errors of Open. Neither says anything of the value.
var (
	// ErrRefused says that the bytes were not sealed for this context, or were
	// changed since.
	ErrRefused = errors.New("sealed value refused: other row, other column or changed bytes")
	// ErrNoKey says that the key version is not configured (any more).
	ErrNoKey = errors.New("sealed value needs a key version that is not configured")
)

const (
	// KeySize is the length of a master key in bytes: `openssl rand -base64 32`.
	KeySize = 32
	// MaxVersion is the highest key version.
	MaxVersion = 1<<16 - 1
	// Overhead is how many bytes Seal adds: version, nonce and tag.
	Overhead = headerSize + 12 + 16

	headerSize = 2 // the version, big-endian
	maxKeys    = 16
)

// What the derived keys are for; changing a word makes old values unreadable.
const (
	infoSeal  = "kaimenhong seal aes-256-gcm"
	infoIndex = "kaimenhong index hmac-sha-256"
)

// Sealer seals, opens and indexes. It is safe for concurrent use and prints
// nothing of its keys.
type Sealer struct {
	newest int
	aeads  map[int]cipher.AEAD
	index  []byte
	macs   sync.Pool
}

// Parse reads the setting KMH_SECURITY_PHONE_KEY: "1:BASE64,2:BASE64", each key 32
// bytes, versions 1…65535, optionally with "index:BASE64". Errors name the entry
// by its place and never repeat it.
func Parse(setting string) (*Sealer, error) {
	keys := map[int][]byte{}
	var index []byte
	for i, entry := range strings.Split(setting, ",") {
		name, text, ok := strings.Cut(strings.TrimSpace(entry), ":")
		if !ok || i >= maxKeys {
			return nil, fmt.Errorf("key entry %d: write VERSION:BASE64, at most %d of them", i+1, maxKeys)
		}
		key, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return nil, fmt.Errorf("key entry %d is no base64", i+1)
		}
		if name == "index" {
			if index != nil {
				return nil, errors.New("the index key is given twice")
			}
			index = key
			continue
		}
		version, err := strconv.Atoi(name)
		if err != nil || keys[version] != nil {
			return nil, fmt.Errorf("key entry %d: the version is a number that occurs once", i+1)
		}
		keys[version] = key
	}
	return New(keys, index)
}

// New makes a sealer from master keys of 32 bytes by version, 1…65535; the highest
// version seals. index is the master key of the index; nil takes the lowest
// version's.
func New(keys map[int][]byte, index []byte) (*Sealer, error) {
	if len(keys) == 0 || len(keys) > maxKeys {
		return nil, fmt.Errorf("%d key versions, want 1 to %d", len(keys), maxKeys)
	}
	s := &Sealer{aeads: make(map[int]cipher.AEAD, len(keys))}
	lowest := MaxVersion
	for version, master := range keys {
		if version < 1 || version > MaxVersion {
			return nil, fmt.Errorf("key version %d is not within 1…%d", version, MaxVersion)
		}
		aead, err := newAEAD(master)
		if err != nil {
			return nil, fmt.Errorf("key version %d: %w", version, err)
		}
		s.aeads[version] = aead
		s.newest, lowest = max(s.newest, version), min(lowest, version)
	}
	if index == nil {
		index = keys[lowest]
	}
	var err error
	if s.index, err = derive(index, infoIndex); err != nil {
		return nil, fmt.Errorf("index key: %w", err)
	}
	return s, nil
}

func newAEAD(master []byte) (cipher.AEAD, error) {
	key, err := derive(master, infoSeal)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

func derive(master []byte, info string) ([]byte, error) {
	if len(master) != KeySize {
		return nil, fmt.Errorf("%d bytes, want %d", len(master), KeySize)
	}
	return hkdf.Key(sha256.New, master, nil, info, KeySize)
}

// Seal encrypts plain for the context and returns Overhead bytes more than it got.
// Two calls never return the same bytes.
func (s *Sealer) Seal(plain, context []byte) []byte {
	out := make([]byte, headerSize, len(plain)+Overhead)
	binary.BigEndian.PutUint16(out, uint16(s.newest)) // New bounds it
	return s.aeads[s.newest].Seal(out, nil, plain, additional(out, context))
}

// Open decrypts what Seal made for the same context: ErrRefused, ErrNoKey.
func (s *Sealer) Open(sealed, context []byte) ([]byte, error) {
	if len(sealed) < Overhead {
		return nil, ErrRefused
	}
	header := sealed[:headerSize]
	aead := s.aeads[int(binary.BigEndian.Uint16(header))]
	if aead == nil {
		return nil, ErrNoKey
	}
	plain, err := aead.Open(nil, nil, sealed[headerSize:], additional(header, context))
	if err != nil {
		return nil, ErrRefused
	}
	return plain, nil
}

// additional binds the key version too, so that it cannot be changed apart.
func additional(header, context []byte) []byte {
	out := make([]byte, 0, headerSize+len(context))
	return append(append(out, header[:headerSize]...), context...)
}

// SealText is Seal as text without padding, for a VARCHAR or TEXT column of
// TextSize(len(plain)) characters.
func (s *Sealer) SealText(plain, context []byte) string {
	return base64.RawURLEncoding.EncodeToString(s.Seal(plain, context))
}

// OpenText opens what SealText made.
func (s *Sealer) OpenText(sealed string, context []byte) ([]byte, error) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(sealed)
	if err != nil {
		return nil, ErrRefused
	}
	return s.Open(raw, context)
}

// TextSize is how many characters SealText makes of n bytes.
func TextSize(n int) int { return base64.RawURLEncoding.EncodedLen(n + Overhead) }

// Version is the key version that sealed the bytes, 0 when they are none of Seal's.
func (s *Sealer) Version(sealed []byte) int {
	if len(sealed) < Overhead {
		return 0
	}
	return int(binary.BigEndian.Uint16(sealed))
}

// Newest is the version that seals.
func (s *Sealer) Newest() int { return s.newest }

// Index is the blind index of a value within a domain ("member.phone"): 32 bytes,
// the same for the same value, telling nothing to whoever lacks the key. The
// caller normalises the value first.
func (s *Sealer) Index(value, domain string) []byte {
	mac, ok := s.macs.Get().(hash.Hash) // one that was used has its key worked in
	if !ok {
		mac = hmac.New(sha256.New, s.index)
	}
	defer s.macs.Put(mac)
	mac.Reset()
	mac.Write(binary.BigEndian.AppendUint32(nil, uint32(len(domain)))) // a constant's length
	mac.Write([]byte(domain))
	mac.Write([]byte(value))
	return mac.Sum(nil)
}

// IndexText is Index as IndexSize characters, for a VARCHAR column.
func (s *Sealer) IndexText(value, domain string) string {
	return base64.RawURLEncoding.EncodeToString(s.Index(value, domain))
}

// IndexSize is the length of IndexText.
const IndexSize = 43

// Bind makes the context of one place in the stores: "table.column" and the ids of
// its row.
func Bind(column string, ids ...int64) []byte {
	out := make([]byte, 0, len(column)+1+8*len(ids))
	out = append(append(out, column...), 0)
	for _, id := range ids {
		out = binary.BigEndian.AppendUint64(out, uint64(id)) // bits, not a number
	}
	return out
}

// String keeps the keys out of logs.
func (*Sealer) String() string { return "seal.Sealer(***)" }

// GoString keeps the keys out of %#v.
func (*Sealer) GoString() string { return "seal.Sealer(***)" }
