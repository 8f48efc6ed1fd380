package wechat

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha1" //nolint:gosec // the protocol's own signature; nothing else rests on it
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"slices"
)

// The layout of an encrypted message, from WeChat's page on message encryption:
// 16 random bytes, the length of the message in 4 bytes big-endian, the message,
// the appid; padded by PKCS#7 to 32 bytes; AES-256-CBC with the key's first half
// as IV.
const (
	randomSize  = 16
	lengthSize  = 4
	padBlock    = 32
	aesKeyChars = 43
	aesKeySize  = 32
)

var errAESKey = errors.New("an EncodingAESKey has 43 characters, A–Z a–z 0–9")

// messageKey is one EncodingAESKey, ready for use. It is safe for concurrent use.
type messageKey struct {
	block cipher.Block
	iv    []byte
}

// newMessageKey reads an EncodingAESKey: base64 of 32 bytes without its "=". The
// two spare bits of its last character may be set, so decoding is not strict.
func newMessageKey(encoded string) (*messageKey, error) {
	if len(encoded) != aesKeyChars {
		return nil, errAESKey
	}
	key, err := base64.StdEncoding.DecodeString(encoded + "=")
	if err != nil || len(key) != aesKeySize {
		return nil, errAESKey // the decoder's error would quote the key
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("make the message cipher: %w", err)
	}
	return &messageKey{block: block, iv: key[:aes.BlockSize]}, nil
}

// open decrypts ciphertext into dst, which has its length, and returns the message
// within dst. ok tells that length, padding and appid are all right; they are all
// looked at, whichever is wrong, so that the time tells nothing of which.
func (k *messageKey) open(dst, ciphertext, appID []byte) (message []byte, fault openFault) {
	if len(ciphertext) == 0 || len(ciphertext)%padBlock != 0 {
		return nil, openTruncated
	}
	cipher.NewCBCDecrypter(k.block, k.iv).CryptBlocks(dst, ciphertext)
	pad := int(dst[len(dst)-1])
	good := subtle.ConstantTimeLessOrEq(1, pad) & subtle.ConstantTimeLessOrEq(pad, padBlock)
	for i, b := range dst[len(dst)-padBlock:] {
		inPad := subtle.ConstantTimeLessOrEq(padBlock-i, pad)
		good &= subtle.ConstantTimeEq(int32(b), int32(pad)) | (1 - inPad)
	}
	if good != 1 {
		return nil, openPadding
	}
	content := dst[:len(dst)-pad]
	if len(content) < randomSize+lengthSize {
		return nil, openTruncated
	}
	size := int64(binary.BigEndian.Uint32(content[randomSize:]))
	rest := content[randomSize+lengthSize:]
	if size > int64(len(rest)) {
		return nil, openTruncated
	}
	if subtle.ConstantTimeCompare(rest[size:], appID) != 1 {
		return nil, openAppID
	}
	return rest[:size], openFine
}

// openFault says why a ciphertext was refused.
type openFault uint8

const (
	openFine openFault = iota
	openTruncated
	openPadding
	openAppID
)

// seal appends to dst the ciphertext of message. random has 16 bytes.
func (k *messageKey) seal(dst, random, message, appID []byte) []byte {
	start := len(dst)
	size := randomSize + lengthSize + len(message) + len(appID)
	pad := padBlock - size%padBlock
	dst = slices.Grow(dst, size+pad)
	dst = append(dst, random[:randomSize]...)
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(message))) // maxBody bounds it
	dst = append(dst, message...)
	dst = append(dst, appID...)
	for range pad {
		dst = append(dst, byte(pad))
	}
	text := dst[start:]
	cipher.NewCBCEncrypter(k.block, k.iv).CryptBlocks(text, text)
	return dst
}

// signer computes signatures; it is part of the pooled working space, for the digest
// and the buffers are most of what a callback would otherwise allocate.
type signer struct {
	digest hash.Hash
	sum    [sha1.Size]byte
	hex    [2 * sha1.Size]byte
}

func newSigner() signer { return signer{digest: sha1.New()} }

// sign returns the hexadecimal SHA-1 of the parts, sorted and joined. It is valid
// until the signer's next use.
func (s *signer) sign(parts ...[]byte) []byte {
	// At most four parts: insertion sort without a closure.
	for i := 1; i < len(parts); i++ {
		for j := i; j > 0 && string(parts[j]) < string(parts[j-1]); j-- {
			parts[j], parts[j-1] = parts[j-1], parts[j]
		}
	}
	s.digest.Reset()
	for _, p := range parts {
		s.digest.Write(p)
	}
	hex.Encode(s.hex[:], s.digest.Sum(s.sum[:0]))
	return s.hex[:]
}

// matches compares a signature from outside in constant time.
func (s *signer) matches(signature string, parts ...[]byte) bool {
	want := s.sign(parts...)
	var got [2 * sha1.Size]byte
	copy(got[:], signature)
	same := subtle.ConstantTimeCompare(want, got[:])
	return same&subtle.ConstantTimeEq(int32(min(len(signature), 1<<20)), int32(len(want))) == 1
}
